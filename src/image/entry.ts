/** What the cache knows of an unpacked image (`image.json` beside its tree). */

/** What the cache keeps of an unpacked image; sizes in bytes. */
export interface CachedImage {
  digest: string;
  kind: 'oci-layout' | 'oci-archive' | 'docker-archive' | 'squashfs' | 'reference';
  /** Where it was unpacked from. */
  source: string;
  /** What it is tagged as. */
  name: string | null;
  architecture: string | null;
  files: number;
  bytes: number;
  createdEpochUs: number;
}

/** Whether a parsed JSON value is such an entry, as far as the cache reads it. */
export function isRecord(found: unknown): found is CachedImage {
  const {digest, source, bytes, createdEpochUs} = (found ?? {}) as Partial<Record<keyof CachedImage, unknown>>;
  return typeof digest === 'string' && typeof source === 'string' && typeof bytes === 'number' && typeof createdEpochUs === 'number';
}
