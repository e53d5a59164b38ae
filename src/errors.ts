/**
 * The one table of coded errors. Every error that a person can meet has its row here, and its paragraph in
 * docs/reference/errors.md (a test compares the two). A code is never reused for something else.
 */

/** How `tare` and `tare-wrap` end when nothing was run (design: exit and failure). */
export const EXIT = {
  /** The wrapper failed, or what it was given is wrong. */
  failure: 125,
  /** The policy refused the job. */
  refused: 126,
  /** The payload could not be executed. */
  notExecutable: 127,
  /** `tare doctor`, `tare validate`: something is not as it should be. */
  unhealthy: 1,
  /** The command line itself is wrong. */
  usage: 64,
} as const;

interface Row {
  exit: number;
  /** `input`: the author of the file can mend it; `refused`: the site's decision; `node`: the machine; `bug`: ours. */
  kind: 'input' | 'refused' | 'node' | 'bug';
  summary: string;
}

const row =
  (kind: Row['kind'], exit: number) =>
  (summary: string): Row => ({exit, kind, summary});
const input = row('input', EXIT.failure);
const refused = row('refused', EXIT.refused);
const node = row('node', EXIT.failure);
const bug = row('bug', EXIT.failure);

/** Every code, with the exit status of the wrapper, whose fault it is, and a summary for the list of errors. */
export const ERRORS = {
  DOCUMENT_UNREADABLE: input('a job descriptor, policy, plan or record cannot be read'),
  DOCUMENT_SYNTAX: input('a document is not valid YAML or JSON'),
  DOCUMENT_KIND: input('a document is of another kind or version than was expected'),
  DOCUMENT_INVALID: input('a document does not fit its schema'),
  QUANTITY_INVALID: input('a size, duration or number of cores cannot be understood'),
  POLICY_CONTRADICTION: input('two parts of the policy contradict each other'),
  POLICY_INSECURE: input('a policy file that root would obey can be written by others'),
  WORK_DIRECTORY: input('the work directory does not exist or cannot be used'),
  STATE_EXPOSED: input('the payload would be able to write to the spool or the state of its wrapper'),
  DEVICE_MISSING: node('a device that the job asks for does not exist on this node'),
  USER_UNKNOWN: input('the job names an account that does not exist'),
  NAME_SERVICE_SILENT: node('the node’s name service does not answer, and the name or groups of the account are needed'),
  USER_FORBIDDEN: refused('the payload may not run as that account'),
  POLICY_REFUSED: refused('a rule of the policy refuses the job'),
  PATTERN_FORBIDDEN: refused('the policy does not allow the pattern that the job needs'),
  PATTERN_UNAVAILABLE: input('this version of Tare does not have the pattern'),
  ENGINE_UNKNOWN: input('the policy lists no engine that this version of Tare has'),
  ENGINE_FORBIDDEN: refused('the policy does not list the engine that the caller wants'),
  NETWORK_FORBIDDEN: refused('the policy does not allow the network that the job asks for'),
  DEVICE_FORBIDDEN: refused('the policy does not allow a device that the job asks for'),
  WRITABLE_FORBIDDEN: refused('the policy does not allow writing to a directory that the job asks for'),
  FILESYSTEM_FORBIDDEN: refused('the policy does not allow the view of the file system that the job asks for'),
  IMAGE_FORBIDDEN: refused('the policy does not allow the image that the job asks for'),
  INIT_UNAVAILABLE: node('the image has no such init, or this node cannot run it'),
  MACHINE_IDS: node('ids for accounts of a small machine are in use on this node'),
  SERVICES_FAILED: input('the services of a small machine were not ready, so its payload was not run'),
  IMAGE_UNUSABLE: node('the image that the job asks for cannot be read here, or is of no known kind'),
  IMAGE_BROKEN: input('the image that the job asks for is damaged, incomplete or malicious'),
  IMAGE_ARCHITECTURE: input('the image that the job asks for is for another kind of processor'),
  IMAGE_NOT_UNPACKED: node('this node cannot unpack or mount the image that the job asks for'),
  INTERRUPTED: input('a signal asked for the end before the payload ran'),
  CVMFS_FORBIDDEN: refused('the policy does not allow a repository of CVMFS that the job names'),
  CVMFS_UNUSABLE: node('a repository of CVMFS that the job needs cannot be used on this node'),
  FILESYSTEM_UNAVAILABLE: node('this node cannot make the view of the file system that the job asks for'),
  ENFORCEMENT_UNAVAILABLE: refused('the policy requires an enforcement that this node does not have'),
  NETWORK_UNAVAILABLE: node('this node cannot give the box the host name or address that the job asks for'),
  BOX_UNAVAILABLE: node('the box cannot be built and the policy does not let the payload run without'),
  FIRST_PROCESS_UNAVAILABLE: node('the payload cannot be process 1 of a PID namespace of its own, as the job asks'),
  NODE_DEGRADED: node('this node can run the job only with less than was asked for, and the policy refuses that'),
  RESERVE_LOW: node('a disk of the wrapper has less room than the reserve that the policy keeps'),
  SLOT_TOO_SMALL: refused('the slot is smaller than the reserve that the policy keeps back'),
  SCRATCH_FAILED: node('the file system that holds a box’s scratch cannot be made'),
  ADDRESSES_EXHAUSTED: node('no address, or no number for a host name, is free'),
  NETWORK_FAILED: node('the box could not be connected to the network'),
  PLAN_MISMATCH: input('a saved plan does not fit this node or this caller'),
  STATE_DIRECTORY: node('the state directory cannot be used safely'),
  NODE_STATE: node('the state of this node cannot be written'),
  SPOOL_UNWRITABLE: node('a record cannot be written'),
  SPOOL_UNREADABLE: node('a spool cannot be read'),
  RECORD_UNKNOWN: input('there is no record of that id, or the file is not a record'),
  EXPORTER_UNKNOWN: input('there is no exporter of that name, or the policy has it off'),
  EXPORT_DIRECTORY: node('the directory in which exporters keep what they did cannot be used'),
  SEAL_FORBIDDEN: input('this user cannot seal records, or records cannot be sealed there'),
  BOX_UNKNOWN: input('there is no job of that id or name'),
  BOX_AMBIGUOUS: input('several jobs have an id that begins so, or that name'),
  BOX_FORBIDDEN: input('the box is another user’s'),
  BOX_STATE: input('the box is not in a state for what was asked'),
  BOX_NOT_REMOVED: node('processes of a box cannot be stopped or killed, or parts of a box cannot be removed'),
  BOX_NOT_JOINED: node('a live box cannot be joined'),
  APPLICATION_UNKNOWN: input('the box has no application of that name'),
  OUTPUT_ELSEWHERE: input('the output of a payload does not go to a file'),
  OUTPUT_FAILED: node('the output of a command cannot be written'),
  OUTPUT_ITSELF: input('a command would read the file that it writes'),
  OUTPUT_NOT_KEPT: input('nothing is kept of the output of a job that has ended'),
  OUTPUT_UNREADABLE: node('the file that a payload writes to cannot be read'),
  CGROUP_FAILED: node('the kernel refused a change of a control group'),
  LAUNCH_TIMEOUT: node('the wrapper did not start the payload in time'),
  ENGINE_FAILED: node('the engine did not build the box'),
  SHIM_KILLED: node('the shim was killed before the payload ran'),
  NOT_BUILT: node('a part of Tare is missing on this machine, or cannot be read'),
  PAYLOAD_NOT_EXECUTABLE: row('input', EXIT.notExecutable)('the payload could not be executed'),
  INTERNAL: bug('a defect of Tare'),
} satisfies Record<string, Row>;

/** Codes of the table. */
export type ErrorCode = keyof typeof ERRORS;

/** What a message for people is made of: the thing, the place, what was found, what is allowed, what to do. */
export interface ErrorDetails {
  /** The sentence: what is wrong, with which thing. */
  message: string;
  /** File, and JSON pointer or line in it. */
  where?: string | undefined;
  found?: string | undefined;
  allowed?: string | undefined;
  /** What to do about it. */
  remedy?: string | undefined;
  cause?: unknown;
}

/** An error with a row in the table. `message` is complete and on one line. */
export class TareError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, details: ErrorDetails) {
    super(oneLine(details), details.cause === undefined ? undefined : {cause: details.cause});
    this.name = 'TareError';
    this.code = code;
    this.details = details;
  }

  /** The exit status of the wrapper for this error. */
  get exit(): number {
    return ERRORS[this.code].exit;
  }

  /** Whose fault it is. */
  get kind(): Row['kind'] {
    return ERRORS[this.code].kind;
  }
}

/** Several errors of one document, all of them shown at once. */
export class TareErrors extends Error {
  readonly errors: readonly TareError[];

  constructor(errors: readonly TareError[]) {
    super(errors.map((error) => error.message).join('\n'));
    this.name = 'TareErrors';
    this.errors = errors;
  }

  /** The exit status for the first of the errors. */
  get exit(): number {
    return this.errors[0]?.exit ?? EXIT.failure;
  }
}

/** The directory of Tare's programs and of the libraries that they load. */
const OWN_FILES = decodeURIComponent(new URL('..', import.meta.url).pathname).replace(/build\/$/, '');

/** Anything thrown, as a coded error: a file of ours that the node does not give is the node's, and what else has no code is a defect of ours. */
export function asTareError(error: unknown): TareError | TareErrors {
  if (error instanceof TareError || error instanceof TareErrors) return error;
  const {path, syscall} = Object(error) as NodeJS.ErrnoException;
  if (syscall !== undefined && typeof path === 'string' && path.startsWith(OWN_FILES)) {
    return notBuilt(error as NodeJS.ErrnoException);
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new TareError('INTERNAL', {message: message.replaceAll('\n', ' | '), remedy: 'please report it', cause: error});
}

/** A file of Tare's own could not be read. */
export const notBuilt = ({message, path}: NodeJS.ErrnoException): TareError =>
  new TareError('NOT_BUILT', {
    message: 'a part of Tare cannot be read',
    where: path,
    found: message,
    remedy: 'look at the disk or file system that it is on, or install Tare again',
  });

/** Name of the system's error (errno(3)), `ENOENT` say; undefined: it is none of the system's. */
export const errnoOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null | undefined)?.code;

/** What `action` gives; null where it throws, whatever the reason: what it is about may be gone, or not ours. */
export function ifPossible<T>(action: () => T): T | null {
  try {
    return action();
  } catch {
    return null;
  }
}

/** Whether `action` ends without an error, whatever the error would be. */
export function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

/** What an action on a file gives; null where the file is not there. @throws what it throws for another reason */
export function ifThere<T>(action: () => T): T | null {
  try {
    return action();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Whether an action made what was not there yet. @throws what it throws for another reason than that it is there (EEXIST) */
export function makes(action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Control characters, and those that turn the text, must not reach a terminal: a host name, a path or a user's record may hold them. */
export const printable = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?');

/**
 * JSON in which nothing steers a terminal or ends a line: JSON itself leaves DEL, C1 controls, format characters and the separators of lines and
 * paragraphs as they are. All of them stand in strings, where an escape means the same (RFC 8259, section 7).
 * @param json as JSON.stringify writes it
 */
export const harmlessJson = (json: string): string =>
  json.replaceAll(/[\u007F-\u009F\p{Cf}\p{Zl}\p{Zp}]/gu, (found) =>
    [...Array(found.length).keys()].map((index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
  );

/** What others say, as a line for people: nothing that steers a terminal, and no more than so many characters. What is no text is nothing. */
export const briefly = (text: unknown, most: number): string =>
  typeof text === 'string'
    ? text
        .replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ')
        .trim()
        .slice(0, most)
    : '';

/** Characters of each part of an error: a name in an image can be a megabyte. */
const MOST_CHARACTERS = 2000;

/** Joins the parts of an error into one line. Text of jobs and images in it is made safe for terminals: no control characters, none that turn the text. */
function oneLine({where, message, found, allowed, remedy}: ErrorDetails): string {
  const parts = [where === undefined ? message : `${where}: ${message}`];
  if (found !== undefined) parts.push(`found: ${found}`);
  if (allowed !== undefined) parts.push(`allowed: ${allowed}`);
  if (remedy !== undefined) parts.push(remedy);
  const line = parts.map((part) => (part.length > MOST_CHARACTERS ? `${part.slice(0, MOST_CHARACTERS)}…` : part)).join('; ');
  return printable(line.replaceAll(/[\r\n]+|\t/g, ' '));
}
