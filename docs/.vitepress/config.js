// The documentation site: `npm run docs:dev`, `npm run docs:build`. The pages are the Markdown files beside this folder,
// which also read well on their own; a link that leaves `docs/` goes to the repository.
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const repository = manifest.repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
const source = `${repository}/blob/main/`;

/** Entry of the API reference, from its file: 'rate-limiting' becomes 'Rate limiting'. */
const titleOf = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll('-', ' ');

const API_PAGES = readFileSync(new URL('../api/README.md', import.meta.url), 'utf8');
const apiPages = [...new Set([...API_PAGES.matchAll(/\]\(([\w-]+)\.md\)/g)].map(([, name]) => name))];

/** A file beside the pages that is no page, such as a configuration to copy. */
const OTHER_FILE = /^[\w-]+\.(?!md\b|html\b)\w+$/;

const page = (text, link) => ({ text, link });

export default defineConfig({
  title: 'resilience',
  titleTemplate: ':title · @tooloo/resilience',
  description: manifest.description,
  lang: 'en-GB',
  cleanUrls: true,
  // Without a link, browsers ask for /favicon.ico, which a static host answers with 404.
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: '/favicon.svg' }]],
  lastUpdated: false,
  srcExclude: ['measurements/**', '**/*_template.md', '**/node_modules/**'],
  rewrites: { 'api/README.md': 'api/index.md' },
  markdown: {
    // The default themes of code have a contrast of 4.2; WCAG 2.2 AA asks for 4.5.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config(md) {
      const render =
        md.renderer.rules.link_open ?? ((tokens, i, options, env, self) => self.renderToken(tokens, i, options));
      md.renderer.rules.link_open = (tokens, i, options, env, self) => {
        const href = tokens[i].attrGet('href') ?? '';
        const isAtTop = !env.relativePath?.includes('/');
        if (isAtTop && href.startsWith('../')) tokens[i].attrSet('href', source + href.slice(3));
        else if (isAtTop && OTHER_FILE.test(href)) tokens[i].attrSet('href', `${source}docs/${href}`);
        return render(tokens, i, options, env, self);
      };
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      page('Start here', '/start-here'),
      page('Guides', '/rate-limiting'),
      page('API', '/api/'),
      { text: manifest.version, items: [page('Changelog', `${source}CHANGELOG.md`), page('Upgrade', '/upgrade')] },
    ],
    socialLinks: [{ icon: 'github', link: repository }],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
    sidebar: {
      '/api/': [
        { text: 'API reference', link: '/api/', items: apiPages.map((name) => page(titleOf(name), `/api/${name}`)) },
      ],
      '/': [
        {
          text: 'Start',
          items: [
            page('Start here', '/start-here'),
            page('Quick starts', '/quick-starts'),
            page('What it replaces', '/comparisons'),
            page('Compatibility', '/compatibility'),
          ],
        },
        {
          text: 'Guides',
          items: [
            page('Rate limiting', '/rate-limiting'),
            page('Tracing and metrics', '/tracing'),
            page('Caching', '/caching'),
            page('Health and shutdown', '/health'),
            page('Routing and proxying', '/routing'),
            page('Scaling', '/scaling'),
            page('Connections and SQL', '/database'),
            page('Calls between services', '/service-client'),
            page('Recipes and migrations', '/recipes'),
          ],
        },
        {
          text: 'The fleet',
          items: [
            page('Services', '/services'),
            page('Control room', '/dashboard'),
            page('Deployment', '/deployment'),
            page('Operations', '/operations'),
          ],
        },
        {
          text: 'Help',
          items: [
            page('Moving from other packages', '/migrating'),
            page('Doctor', '/doctor'),
            page('Troubleshooting', '/troubleshooting'),
            page('Errors and warnings', '/errors'),
            page('Questions', '/faq'),
            page('Upgrade', '/upgrade'),
            page('Glossary', '/glossary'),
          ],
        },
        {
          text: 'Background',
          items: [
            page('Architecture', '/architecture'),
            page('Performance', '/performance'),
            page('Reliability', '/reliability'),
            page('Design decisions', '/design-decisions'),
            page('Third parties', '/third-party'),
            page('Security', '/SECURITY'),
            page('Contributing', '/CONTRIBUTING'),
            page('Code of conduct', '/CODE_OF_CONDUCT'),
          ],
        },
      ],
    },
  },
});
