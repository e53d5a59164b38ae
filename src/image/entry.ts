/** What the cache knows of an unpacked image (`image.json` beside its tree). */

export interface CachedImage {
  digest: string;
  kind: 'oci-layout' | 'oci-archive' | 'docker-archive' | 'squashfs';
  /** Where it was unpacked from. */
  source: string;
  /** What it is tagged as. */
  name: string | null;
  architecture: string | null;
  files: number;
  bytes: number;
  createdEpochUs: number;
}

export function isRecord(found: unknown): found is CachedImage {
  const {digest, source, bytes, createdEpochUs} = (found ?? {}) as Partial<Record<keyof CachedImage, unknown>>;
  return typeof digest === 'string' && typeof source === 'string' && typeof bytes === 'number' && typeof createdEpochUs === 'number';
}
