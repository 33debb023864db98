/** The configurations of one package: each as it was, as it becomes, and what is printed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Configuration {
  readonly before: string;
  readonly after: string;
  /** As they are printed: `line: message`. */
  readonly notes: readonly string[];
}

export function configurationsOf(name: string): readonly Configuration[] {
  const text = readFileSync(join(__dirname, 'configurations', `${name}.md`), 'utf8');
  return text
    .split(/^## .*\n/m)
    .slice(1)
    .map((section) => {
      const [before = '', after = ''] = [...section.matchAll(/```js\n([^]*?)```/g)].map(([, code]) => code);
      return { before, after, notes: [...section.matchAll(/^- (.*)$/gm)].map(([, note]) => note!) };
    });
}
