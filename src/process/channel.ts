/** The supervisor's end of the socket to the shim: frames in, frames out (docs/reference/protocol.md). */

import {closeSync, read, readSync, writeSync} from 'node:fs';
import {errnoOf} from '../errors.js';
import {
  decodeShimToSupervisor,
  encodeSupervisorToShim,
  type SupervisorToShim,
  type ShimToSupervisor,
  type RawFrame,
  type UnknownFrame,
} from '../schema/generated/protocol.js';
import {monotonicUs, setClock, standStill} from './clock.js';
import {KeptSignals} from './kept-signals.js';

/** What the shim says. */
export type Frame = ShimToSupervisor | UnknownFrame;

const MAX_FRAME = 16 * 1024 * 1024;
const HEADER = 4;

/** A frame as bytes: u32 little-endian length, tag, NUL-terminated strings. */
export function encodeFrame({tag, strings}: RawFrame): Buffer {
  const body = Buffer.from(tag + strings.map((text) => `${text}\0`).join(''), 'utf8');
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, body]);
}

/** Cuts a byte stream into frames. A frame that is too long or not terminated is an error of the peer. */
export class FrameReader {
  private pending: Buffer = Buffer.alloc(0);

  /** @throws Error when the stream is no sequence of frames */
  push(chunk: Buffer): RawFrame[] {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const frames: RawFrame[] = [];
    while (this.pending.length >= HEADER) {
      const length = this.pending.readUInt32LE(0);
      if (length < 1 || length > MAX_FRAME) throw new Error(`a frame of ${String(length)} bytes`);
      if (this.pending.length < HEADER + length) break;
      frames.push(cut(this.pending.subarray(HEADER, HEADER + length)));
      this.pending = this.pending.subarray(HEADER + length);
    }
    return frames;
  }
}

function cut(body: Buffer): RawFrame {
  const tag = String.fromCharCode(body[0] ?? 0);
  if (body.length === 1) return {tag, strings: []};
  if (body[body.length - 1] !== 0) throw new Error(`frame ${tag} is not terminated`);
  return {tag, strings: body.subarray(1, -1).toString('utf8').split('\0')};
}

const CHUNK_BYTES = 64 * 1024;
/** Time in which a killed shim is gone, on a node with a load of 50. */
const PARTING_MS = 2000;
const LOOK_MS = 5;

/** What a socket says whose other end is gone (unix(7)). */
const GONE: ReadonlySet<string | undefined> = new Set(['EPIPE', 'ECONNRESET']);

/**
 * The shim waits for what a supervisor did not get, or could not say: a supervisor that fails so ends, and the shim starts another.
 * @returns when the shim is gone
 */
function endUnlessGone(error: unknown): void {
  if (!GONE.has(errnoOf(error))) process.exit(1);
}

/** 0 at the end. */
function readNow(descriptor: number, chunk: Buffer): number {
  try {
    return readSync(descriptor, chunk);
  } catch (error) {
    endUnlessGone(error);
    return 0;
  }
}

/** How long a shim waits before it looks whether its supervisor works, ms; then it waits 10 s more (native/patience.c). */
export const PATIENCE_MS = 50_000;

/**
 * Frames from the shim, in order; null when the shim is gone. By read(2) and write(2) on a socket that stays blocking: `net.Socket` takes
 * a descriptor under Node only, and standard input as a stream costs a supervisor 6 ms.
 */
export class Channel {
  /** Signals that came before anything was launched. */
  readonly kept = new KeptSignals();
  private readonly descriptor: number;
  private readonly shim = process.ppid;
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  private readonly reader = new FrameReader();
  private readonly queue: (Frame | null)[] = [];
  private waiting: ((frame: Frame | null) => void) | null = null;
  private shimUs: number | null = null;
  private closed = false;

  /** Sets the clock by the shim's before anything else. The answer comes at once, and the event loop's first turn costs 1 ms. */
  constructor(descriptor: number) {
    this.descriptor = descriptor;
    const askedUs = monotonicUs();
    this.send({name: 'askTime'});
    while (this.shimUs === null && !this.closed) this.take(readNow(descriptor, this.chunk));
    if (this.shimUs !== null) setClock(this.shimUs, askedUs);
    if (!this.closed) this.listen();
  }

  /** Whether all frames that have come are read. What a supervisor that takes over is told again is there from the beginning. */
  get isDrained(): boolean {
    return this.queue.length === 0;
  }

  /** The next frame; null from the end on. */
  next(): Promise<Frame | null> {
    const frame = this.queue.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.closed) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.waiting = resolve;
    });
  }

  /**
   * Returns when the kernel has it. What a shim that is gone would be told is dropped: the end is read, not written.
   * @returns whether the shim is there
   */
  send(frame: SupervisorToShim): boolean {
    if (this.closed) return false;
    const bytes = encodeFrame(encodeSupervisorToShim(frame));
    try {
      for (let sent = 0; sent < bytes.length;) sent += writeSync(this.descriptor, bytes, sent);
    } catch (error) {
      endUnlessGone(error);
      return false;
    }
    return true;
  }

  /**
   * What the supervisor does from now on, for the message of a shim that has waited for it in vain.
   * @param patienceMs how long the shim waits from now on, before it looks whether the supervisor works; null: for ever; absent: as long as
   * before
   */
  doing(what: string, patienceMs?: number | null): void {
    this.send({name: 'doing', patienceMs: patienceMs === undefined ? null : (patienceMs ?? 0), what});
  }

  private listen(): void {
    read(this.descriptor, this.chunk, 0, CHUNK_BYTES, null, (error, count) => {
      if (error !== null) endUnlessGone(error);
      this.take(error === null ? count : 0);
      if (!this.closed) this.listen();
    });
  }

  /** Takes bytes that have come; 0 is the end. */
  private take(count: number): void {
    try {
      if (count === 0) throw new Error('the shim is gone');
      for (const raw of this.reader.push(Buffer.from(this.chunk.subarray(0, count)))) {
        const frame = decodeShimToSupervisor(raw);
        if (frame.name === 'time') this.shimUs = frame.us;
        else if (frame.name === 'pending') this.kept.note(frame.signal);
        else this.deliver(frame);
      }
    } catch {
      this.end();
    }
  }

  private deliver(frame: Frame | null): void {
    if (this.waiting === null) {
      this.queue.push(frame);
      return;
    }
    const resolve = this.waiting;
    this.waiting = null;
    resolve(frame);
  }

  /**
   * A process that is killed closes its sockets, and a moment later its children are others'. A shim that stays has cut this supervisor
   * off, and starts another: two must not write one record, so this one does nothing more.
   */
  private end(): void {
    this.closed = true;
    closeSync(this.descriptor);
    for (let waitedMs = 0; process.ppid === this.shim; waitedMs += LOOK_MS) {
      if (waitedMs >= PARTING_MS) process.exit(1);
      standStill(LOOK_MS);
    }
    this.deliver(null);
  }
}
