// One run in the spool: who it is, and the lines that are still to be sent.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Event, StartBody } from "./events.js";

/** A file whose lines are all sent begins anew when it has grown to this. */
const REWIND = 1 << 20;
const LINE_LIMIT = 128 << 10;

/** How a run is known: by its id, and before there is one, by its start. `started` is what claims it; null where the run
 * is only dispatched, or was claimed elsewhere. */
export interface Meta {
  start: StartBody | null;
  runId: string | null;
  started: (Event & { type: "Started" }) | null;
  claimed: boolean;
}

/** Written by the job, read by the sender. */
export class RunFile {
  /** Nothing more will be written: it has ended, or nobody wants to hear of it. */
  closed = false;
  removed = false;
  #fd: number;
  #size: number;
  #sent = 0;

  private constructor(readonly folder: string, readonly ref: string, readonly meta: Meta) {
    this.#fd = openSync(join(folder, `${ref}.log`), "a+", 0o600);
    this.#size = fstatSync(this.#fd).size;
  }

  static create(folder: string, ref: string, meta: Meta): RunFile {
    const file = new RunFile(folder, ref, meta);
    file.save();
    return file;
  }

  /** One that a process which is gone has left; nothing where it died while it began. */
  static found(path: string): RunFile | undefined {
    try {
      const meta = JSON.parse(readFileSync(path, "utf8")) as Meta;
      const file = new RunFile(dirname(path), basename(path, ".run"), meta);
      file.closed = true;
      return file;
    } catch {
      rmSync(path, { force: true });
      return undefined;
    }
  }

  save(): void {
    const path = join(this.folder, `${this.ref}.run`);
    writeFileSync(`${path}.new`, JSON.stringify(this.meta), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Writes one line, unless the last one was written; how many bytes. Throws where that is not possible, and then
   * nothing of it is there. */
  append(line: string, last = false): number {
    if (this.closed) return 0;
    const bytes = Buffer.from(line);
    if (bytes.length > LINE_LIMIT) throw new Error(`an event of ${bytes.length} bytes is too long`);
    const written = writeSync(this.#fd, bytes);
    if (written < bytes.length) {
      ftruncateSync(this.#fd, this.#size);
      throw new Error("the disk is full");
    }
    this.#size += written;
    this.closed = last;
    return written;
  }

  /** The next whole lines: at most `count`, and no more bytes than `size`. */
  lines(count: number, size: number): string[] {
    const chunk = Buffer.allocUnsafe(Math.min(Math.max(size, LINE_LIMIT), this.#size - this.#sent));
    const got = readSync(this.#fd, chunk, 0, chunk.length, this.#sent);
    const lines: string[] = [];
    for (let at = 0; lines.length < count; ) {
      const end = chunk.indexOf(10, at);
      // One line is sent, however long it is.
      if (end < 0 || end >= got || (end > size && at > 0)) break;
      lines.push(chunk.toString("utf8", at, end));
      at = end + 1;
    }
    return lines;
  }

  /** The ledger has these, or will never take them. */
  sent(lines: string[]): void {
    for (const line of lines) this.#sent += Buffer.byteLength(line) + 1;
    if (this.#sent >= REWIND && this.#sent === this.#size) {
      ftruncateSync(this.#fd, 0);
      this.#sent = this.#size = 0;
    }
  }

  /** Bytes that are not sent. */
  waiting(): number {
    return this.#size - this.#sent;
  }

  /** Puts it on the disk, so that it outlives the machine's end as well. */
  sync(): void {
    fsyncSync(this.#fd);
  }

  remove(): void {
    this.closed = this.removed = true;
    closeSync(this.#fd);
    rmSync(join(this.folder, `${this.ref}.log`), { force: true });
    rmSync(join(this.folder, `${this.ref}.run`), { force: true });
  }
}
