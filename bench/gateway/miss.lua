-- Each request is for another resource.
local count = 0

function request()
  count = count + 1
  return wrk.format(nil, wrk.path .. "?" .. count)
end
