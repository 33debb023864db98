/** The settings of segmentation. */
import * as z from 'zod';

const fields = {
  blockSize: z.number().int().min(1).max(20),
  smoothing: z.number().int().min(0).max(5),
  minSegment: z.number().int().min(1).max(50),
  cutoff: z.number().min(-3).max(3),
  minDepth: z.number().min(0).max(2),
  unitSize: z.number().int().min(5).max(100),
  frequentTerms: z.number().min(0.1).max(1),
  keywords: z.number().int().min(1).max(30),
  cohortSimilarity: z.number().min(0.01).max(1),
};

/** How conversations are segmented. Units of a text are small, about a sentence, so that each boundary can be met. */
export const segmentationSettings = z.object({
  blockSize: fields.blockSize.default(3),
  smoothing: fields.smoothing.default(1),
  minSegment: fields.minSegment.default(2),
  cutoff: fields.cutoff.default(0.5),
  minDepth: fields.minDepth.default(0.1),
  /** Terms of a unit of running text. */
  unitSize: fields.unitSize.default(5),
  /** Terms that more than this part of the units have are left out. */
  frequentTerms: fields.frequentTerms.default(0.6),
  keywords: fields.keywords.default(8),
  /** Minimum cosine similarity of two analyses in the same cohort. */
  cohortSimilarity: fields.cohortSimilarity.default(0.15),
});
export type SegmentationSettings = z.output<typeof segmentationSettings>;

/** A partial change of the settings, as a request sends it. */
export const settingsPatch = z.strictObject(fields).partial();
