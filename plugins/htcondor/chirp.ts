/**
 * Sets attributes of the job through the starter's Chirp proxy: `cookie C`, then `set_job_attr_delayed NAME EXPRESSION` for each, and a line
 * with a number as the answer to each, 0 when it was taken (manual: condor_chirp; HTCondor's condor_starter/io_proxy_handler.cpp). Delayed
 * attributes need no permission of the job's; the starter sends them with its next update, at the latest when the job ends, but not when it reports a
 * wrapper's error file. They stay in the queue for the job's next attempt.
 */

import type {Connection, Effects} from '@tare/contract';

/** null: the attribute becomes `undefined`, whatever it was. */
export type Value = string | number | boolean | null;
/** Attributes of the job's ad, by name. */
export type Attributes = Readonly<Record<string, Value>>;

/** HTCondor takes only these by default (CHIRP_DELAYED_UPDATE_PREFIX). */
const NAME = /^Chirp\w+$/;
/** The starter takes 993 bytes. */
const LONGEST_EXPRESSION = 900;
/** Most attributes that Tare sets, of the 100 of CHIRP_DELAYED_UPDATE_MAX_ATTRS; the job may use the others. */
const MOST_ATTRIBUTES = 32;
/** Time for all requests together. */
const BUDGET_MS = 1000;

/** Reads the file in which a starter describes its Chirp proxy: the environment names it, or it is in the scratch directory, in older versions without the dot. */
export function readChirpConfig(environment: Readonly<Record<string, string>>, effects: Effects): string | null {
  const scratch = environment['_CONDOR_SCRATCH_DIR'];
  const places = [environment['_CONDOR_CHIRP_CONFIG'], ...(scratch ? [`${scratch}/.chirp.config`, `${scratch}/chirp.config`] : [])];
  for (const place of places) {
    const text = place ? effects.readText(place) : null;
    if (text !== null) return text;
  }
  return null;
}

/**
 * @param config the text of the file: `host port cookie`
 * @returns what went wrong, for the log. Never throws; gives up after a second.
 */
export async function setJobAttributes(config: string, attributes: Attributes, effects: Effects): Promise<string[]> {
  const [, host, port, cookie] = /^\s*(\S+)\s+(\d{1,5})\s+(\S+)\s*$/.exec(config) ?? [];
  if (host === undefined || cookie === undefined) return ['Chirp: its configuration is not `host port cookie`'];

  const {requests, remarks} = requestsFor(attributes);
  const deadline = effects.monotonicMs() + BUDGET_MS;
  let connection: Connection | null = null;
  let unset = requests.length;
  try {
    connection = await effects.connect(host, Number(port), BUDGET_MS);
    for (const [about, line] of [['the cookie', `cookie ${cookie}`] as const, ...requests]) {
      if (effects.monotonicMs() >= deadline) throw new Error(`not done within ${String(BUDGET_MS)} ms`);
      connection.send(`${line}\n`);
      const answer = await connection.readLine();
      if (answer === null) throw new Error(`no answer to ${about}`);
      if (!/^-?\d{1,9}$/.test(answer)) throw new Error(`the answer to ${about} is no number: ${JSON.stringify(answer.slice(0, 40))}`);
      if (about === 'the cookie' && answer !== '0') throw new Error(`the cookie was turned down (${answer})`);
      if (answer !== '0') remarks.push(`Chirp: ${about} was not taken (${answer})`);
      if (about !== 'the cookie') unset--;
    }
  } catch (error) {
    remarks.push(
      `Chirp: ${error instanceof Error ? error.message : String(error)}; ${String(unset)} of ${String(requests.length)} attributes not set`,
    );
  }
  try {
    connection?.close();
  } catch {
    // it is over anyway
  }
  return remarks;
}

/** One request an attribute, and a remark for each that is not worth one. */
function requestsFor(attributes: Attributes): {requests: (readonly [name: string, line: string])[]; remarks: string[]} {
  const requests: (readonly [string, string])[] = [];
  const remarks: string[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    const expression = expressionOf(value);
    if (!NAME.test(name)) remarks.push(`Chirp: ${JSON.stringify(name)} is no name that HTCondor takes`);
    else if (expression === null) remarks.push(`Chirp: ${name} is not a whole number`);
    else if (requests.length === MOST_ATTRIBUTES) remarks.push(`Chirp: ${name} is one too many`);
    else requests.push([name, `set_job_attr_delayed ${name} ${expression.replaceAll(' ', '\\ ')}`]);
  }
  return {requests, remarks};
}

/**
 * The value as a ClassAd literal. An expression that HTCondor cannot parse is answered with 0 and lost, so there are only whole numbers, booleans,
 * `undefined` and strings of printable ASCII; without `"` and `\`, which would need escapes, and without `,` and `|`, at which accounting tools split.
 */
function expressionOf(value: Value): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : null;
  if (typeof value === 'boolean') return String(value);
  if (value === null) return 'undefined';
  const plain = value
    .replaceAll(/[’‘“”"]/g, "'")
    .replaceAll('\\', '/')
    .replaceAll(',', ';')
    .replaceAll('|', '/')
    .replaceAll(/\s/g, ' ')
    .replaceAll(/[^ -~]/g, '?');
  const room = LONGEST_EXPRESSION - 2;
  return `"${plain.length > room ? `${plain.slice(0, room - 3)}...` : plain}"`;
}
