/**
 * Attributes of the job, set through the starter's Chirp proxy: lines over TCP, as condor_chirp's `set_job_attr_delayed` speaks them. They
 * reach the schedd with the starter's last update, so they are set before the wrapper ends, and never delay that end by more than a second.
 */

import type {Connection, Effects} from '@tare/contract';
import type {Figures} from './figures.js';

const BUDGET_MS = 1000;
/** The starter refuses an expression of more than 993 characters. */
const LONGEST = 900;

/**
 * @param config the text of `.chirp.config`: host, port, cookie
 * @returns what did not work, for the log
 */
export async function setJobAttributes(config: string, figures: Figures, effects: Effects): Promise<string[]> {
  const [host, port, cookie] = config.trim().split(/\s+/);
  if (host === undefined || cookie === undefined || !/^\d+$/.test(port ?? '')) return ['the configuration is not `host port cookie`'];
  let connection: Connection | null = null;
  try {
    connection = await effects.connect(host, Number(port), BUDGET_MS);
    // all at once: the answers come in the same order
    const entries = Object.entries(figures);
    connection.send(
      [`cookie ${cookie}`, ...entries.map(([name, value]) => `set_job_attr_delayed ${name} ${escapeWord(expression(value))}`)]
        .map((line) => `${line}\n`)
        .join(''),
    );
    if ((await connection.readLine()) !== '0') return ['the cookie was not accepted'];
    const remarks: string[] = [];
    for (const [name] of entries) {
      const answer = await connection.readLine();
      if (answer === null) return [...remarks, `no answer to ${name} within ${String(BUDGET_MS)} ms`];
      if (answer !== '0') remarks.push(`${name} was answered with ${answer.slice(0, 40)}`);
    }
    return remarks;
  } catch (error) {
    return [String(error)];
  } finally {
    connection?.close();
  }
}

/** A number or a quoted string: an expression that is wrong would be dropped without a word. */
function expression(value: number | string | boolean): string {
  if (typeof value !== 'string') return String(value);
  // commas and bars separate columns for those who read such attributes
  const plain = value
    .replaceAll(/["\\]/g, "'")
    .replaceAll(/[,|]/g, ';')
    .replaceAll(/[^\x20-\x7e]/g, '?');
  return `"${plain.slice(0, LONGEST)}"`;
}

const escapeWord = (word: string): string => word.replaceAll(/[\\ "]/g, (character) => (character === '"' ? character : `\\${character}`));
