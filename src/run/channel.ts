/** The brain's end of the socket to the front: frames in, frames out (native/README.md, Frames). */

import {Socket} from 'node:net';

export interface Frame {
  tag: string;
  strings: string[];
}

const MAX_FRAME = 16 * 1024 * 1024;
const HEADER = 4;

/** A frame as bytes: u32 little-endian length, tag, NUL-terminated strings. */
export function encodeFrame(tag: string, strings: readonly string[]): Buffer {
  const body = Buffer.from(tag + strings.map((text) => `${text}\0`).join(''), 'utf8');
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, body]);
}

/** Cuts a byte stream into frames. A frame that is too long or not terminated is an error of the peer. */
export class FrameReader {
  private pending: Buffer = Buffer.alloc(0);

  /** @throws Error when the stream is no sequence of frames */
  push(chunk: Buffer): Frame[] {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    const frames: Frame[] = [];
    while (this.pending.length >= HEADER) {
      const length = this.pending.readUInt32LE(0);
      if (length < 1 || length > MAX_FRAME) throw new Error(`a frame of ${String(length)} bytes`);
      if (this.pending.length < HEADER + length) break;
      frames.push(decode(this.pending.subarray(HEADER, HEADER + length)));
      this.pending = this.pending.subarray(HEADER + length);
    }
    return frames;
  }
}

function decode(body: Buffer): Frame {
  const tag = String.fromCharCode(body[0] ?? 0);
  if (body.length === 1) return {tag, strings: []};
  if (body[body.length - 1] !== 0) throw new Error(`frame ${tag} is not terminated`);
  return {tag, strings: body.subarray(1, -1).toString('utf8').split('\0')};
}

/** Frames from the front, in order; null when the front is gone. */
export class Channel {
  private readonly socket: Socket;
  private readonly reader = new FrameReader();
  private readonly queue: (Frame | null)[] = [];
  private waiting: ((frame: Frame | null) => void) | null = null;
  private closed = false;

  constructor(descriptor: number) {
    this.socket = new Socket({fd: descriptor, readable: true, writable: true});
    this.socket.on('data', (chunk: Buffer) => {
      try {
        for (const frame of this.reader.push(chunk)) this.deliver(frame);
      } catch {
        this.end();
      }
    });
    this.socket.on('end', () => {
      this.end();
    });
    this.socket.on('error', () => {
      this.end();
    });
    this.socket.on('close', () => {
      this.end();
    });
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

  send(tag: string, ...strings: string[]): void {
    if (!this.closed) this.socket.write(encodeFrame(tag, strings));
  }

  /** Sends a last frame and resolves when the kernel has it. */
  sendLast(tag: string, ...strings: string[]): Promise<void> {
    if (this.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.end(encodeFrame(tag, strings), () => {
        resolve();
      });
      this.socket.once('close', () => {
        resolve();
      });
    });
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

  private end(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.destroy();
    this.deliver(null);
  }
}
