/** Arguments and progress of unpacking an image. */

/** The progress, for jobs that wait. */
export interface Unpacking {
  /** Of the layers as they are stored: read so far, and in all. */
  bytes: number;
  of: number;
}

/** Bounds and observers of one unpacking. */
export interface UnpackOptions {
  /** Tells that it is not wanted any more; what is thrown then is the reason of the abort. */
  aborted?: AbortSignal;
  onProgress?: (progress: Unpacking) => void;
  /** The most that its contents may be; null: what there is room for. */
  mostBytes: number | null;
  /** Of the zstd program; null: it is not there. */
  zstd: string | null;
}
