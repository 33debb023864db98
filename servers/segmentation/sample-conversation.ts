/** The input of `GET /demo`: a conversation that changes its topic twice, so that a reader can judge the result. */
import type { Message } from './conversation.js';

const LINES = [
  'Our database queries have become slow since the last release, the orders table most of all.',
  'Did you look at the query plan? A missing index on the orders table makes every query scan the whole table.',
  'The plan says the query scans the orders table, yes. There was an index on the customer column before the release.',
  'Then the migration of the release dropped the index. Create the index again and the query plan will use it.',
  'I created the index and the slow query went from two seconds to three milliseconds. The database is fine again.',
  'Good. Now, something else: where shall the team go for the summer trip, the mountains or the sea?',
  'I vote for the mountains. There is a hut above the lake, and the hiking trails start at its door.',
  'The hiking would be lovely, but the hut in the mountains has only eight beds and the team is twelve people.',
  'There is a second hut by the lake with ten beds. Half of the team could hike up and sleep there on the first night.',
  'Then the trip is two days: hike to the huts, sleep, swim in the lake, hike back down.',
  'Before I forget: the invoice of the hosting provider is twice as high as last month.',
  'The invoice lists traffic between zones. The hosting provider bills traffic at two cents a gigabyte.',
  'That is the backup job: it copies every backup to another zone, and the provider bills all of that traffic.',
  'Let us keep the backup in the same zone and copy it once a week, then the invoice shrinks again.',
] as const;

export const SAMPLE_CONVERSATION: readonly Message[] = LINES.map((content, i) => ({
  role: i % 2 === 0 ? 'ana' : 'ben',
  content,
}));
