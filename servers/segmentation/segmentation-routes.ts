/** `/api/v1/segmentation`: analyses conversations, returns stored analyses, groups them, and changes the settings. */
import type { Kysely } from 'kysely';
import * as z from 'zod';
import type { Clock } from '../../src/index.js';
import { textField } from '../support/fields.js';
import { newestFirst } from '../support/paging.js';
import { RouteTable } from '../support/route-table.js';
import { settingsStore } from '../support/settings-store.js';
import { analysisTotals, getAnalysis, keepAnalysis, listAnalyses, type StoredAnalysis } from './analysis-store.js';
import { analyze, type Analysis } from './analysis.js';
import { segmentationSettings, settingsPatch, type SegmentationSettings } from './settings.js';
import { cluster } from './cohorts.js';
import { unitsOfMessages, unitsOfText } from './conversation.js';
import { topTerms } from './keywords.js';
import { SAMPLE_CONVERSATION } from './sample-conversation.js';
import type { SegmentationSchema } from './schema.js';

const MAX_CHARACTERS = 200_000;
const MAX_MESSAGES = 2000;
const COHORT_ANALYSES = 200;

const message = z.strictObject({ role: z.string().max(100).optional(), content: z.string().min(1).max(20_000) });

const analyzeBody = z
  .strictObject({
    /** Stored with the analysis, to find it later. */
    label: textField(200).nullable().default(null),
    messages: z.array(message).min(1).max(MAX_MESSAGES).optional(),
    text: z.string().min(1).max(MAX_CHARACTERS).optional(),
    settings: settingsPatch.optional(),
    /** With false, the analysis is returned but not stored. */
    keep: z.boolean().default(true),
  })
  .refine(({ messages, text }) => (messages === undefined) !== (text === undefined), {
    message: 'give either messages or text',
    path: ['messages'],
  })
  .refine(({ messages = [] }) => messages.reduce((sum, { content }) => sum + content.length, 0) <= MAX_CHARACTERS, {
    message: `the messages together must not exceed ${MAX_CHARACTERS} characters`,
    path: ['messages'],
  });

type AnalyzeBody = Pick<z.output<typeof analyzeBody>, 'messages' | 'text'>;

/** The routes, using this database. */
export function segmentationRoutes(db: Kysely<SegmentationSchema>, clock: Clock, controlToken?: string): RouteTable {
  const settings = settingsStore(db, 'segmentation', segmentationSettings);

  return new RouteTable('/api/v1/segmentation', controlToken)
    .post(
      '/analyze',
      { summary: 'Find the topics of a conversation or a text', body: analyzeBody },
      async ({ body }) => {
        const used = { ...(await settings.read()), ...body.settings };
        const startedAt = clock.now();
        const analysis = segment(body, used);
        const duration = clock.now() - startedAt;
        if (!body.keep) return { id: null, duration, ...analysis };
        const messages = 1 + (analysis.segments.at(-1)?.to ?? -1);
        const kept = { label: body.label, messages, result: analysis, duration };
        return { id: await keepAnalysis(db, kept, startedAt), duration, ...analysis };
      },
    )
    .get('/analyses', { summary: 'Analyses, newest first', query: z.object(newestFirst) }, ({ query }) =>
      listAnalyses(db, query.before, query.limit),
    )
    .get(
      '/analyses/:id',
      { summary: 'One analysis', params: z.object({ id: z.coerce.number().int().min(1) }) },
      async ({ params }) => ({ analysis: await getAnalysis(db, params.id) }),
    )
    .get('/status', { summary: 'Analyses in numbers' }, async () => ({
      status: await analysisTotals(db),
      settings: await settings.read(),
    }))
    .get('/configure', { summary: 'How conversations are segmented' }, async () => ({
      settings: await settings.read(),
    }))
    .post(
      '/configure',
      { summary: 'Change how conversations are segmented', body: settingsPatch, control: true },
      async ({ body }) => ({ settings: await settings.change(body, clock.now()) }),
    )
    .get('/demo', { summary: 'A built-in conversation, analysed now' }, async () => ({
      messages: SAMPLE_CONVERSATION,
      ...segment({ messages: [...SAMPLE_CONVERSATION] }, await settings.read()),
    }))
    .get(
      '/cohorts',
      {
        summary: 'The latest analyses grouped by topic',
        query: z.object({ similarity: z.coerce.number().min(0.01).max(1).optional() }),
        cacheControl: 'public, max-age=5, stale-while-revalidate=30',
      },
      async ({ query }) => {
        const threshold = query.similarity ?? (await settings.read()).cohortSimilarity;
        const { items } = await listAnalyses(db, undefined, COHORT_ANALYSES);
        return { similarity: threshold, cohorts: cohortsOf(items, threshold) };
      },
    );
}

function segment({ messages, text }: AnalyzeBody, settings: SegmentationSettings): Analysis {
  const units = messages !== undefined ? unitsOfMessages(messages) : unitsOfText(text ?? '', settings.unitSize);
  return analyze(units, settings);
}

function cohortsOf(analyses: readonly StoredAnalysis[], threshold: number) {
  const vectors = analyses.map(({ topic }) => new Map(topic.map(({ term, weight }) => [term, weight])));
  return cluster(vectors, threshold).map((members) => {
    const together = new Map<string, number>();
    for (const i of members) {
      for (const [term, weight] of vectors[i]!) together.set(term, (together.get(term) ?? 0) + weight);
    }
    return {
      size: members.length,
      keywords: topTerms(together, 8),
      analyses: members.map((i) => ({ id: analyses[i]!.id, label: analyses[i]!.label, at: analyses[i]!.at })),
    };
  });
}
