# Varnish 6.1 or later, with the xkey module (Debian: apt-get install varnish varnish-modules): what CdnCacheLayer asks of
# it. Beside your backend in your own file: include "/etc/varnish/varnish.vcl";
vcl 4.1;

import xkey;

# Who may purge: the servers with the cache.
acl purgers {
    "127.0.0.0"/8;
    "::1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purgers) {
            return (synth(403));
        }
        if (req.http.Xkey-Purge) {
            set req.http.X-Purged = xkey.purge(req.http.Xkey-Purge);
            return (synth(200));
        }
        if (req.http.Xkey-Softpurge) {
            set req.http.X-Purged = xkey.softpurge(req.http.Xkey-Softpurge);
            return (synth(200));
        }
        if (req.http.X-Ban-Url) {
            ban("obj.http.X-Url ~ " + req.http.X-Ban-Url);
            return (synth(200));
        }
        return (purge);
    }
}

sub vcl_backend_response {
    # Bans on what is stored, not on the request, are done in the background.
    set beresp.http.X-Url = bereq.url;
}

sub vcl_deliver {
    unset resp.http.X-Url;
    unset resp.http.xkey;
}
