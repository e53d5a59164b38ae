import {EXIT} from '../../errors.js';
import {verifyRecord} from '../../export/verify.js';
import {readRecordText, recordFilesIn} from '../../record/read.js';
import {TareCommand} from '../shared/command.js';
import {Output} from '../shared/output.js';
import {complaining, openPlace, placeFlags} from '../shared/records.js';

export default class RecordsVerify extends TareCommand {
  static override summary = 'Check every record in the spool: its form, schema and identity, and whether its figures agree.';
  static override description = 'Prints one line for each faulty record. Exit status 1 when there is one.';
  static override examples = ['<%= config.bin %> records verify'];
  static override flags = {...placeFlags};

  async run(): Promise<void> {
    const {flags} = await this.parse(RecordsVerify);
    const output = new Output();
    const counts = {records: 0, wrong: 0, others: 0};
    try {
      const {spools} = await openPlace(flags);
      const {default: validate} = await import('../../schema/generated/record-2.validator.js');
      const events = {...complaining(spools), other: () => counts.others++};
      for (const {id, path} of recordFilesIn(spools, events)) {
        const problems = problemsOf(path, id, validate);
        if (problems === null) continue;
        counts.records++;
        if (problems.length > 0) counts.wrong++;
        for (const problem of problems) output.write(`${path}: ${problem}`);
      }
      const others = counts.others === 0 ? '' : `, ${String(counts.others)} other files`;
      output.write(`${String(counts.records)} records, ${String(counts.wrong)} wrong${others}`);
    } finally {
      output.flush();
    }
    if (counts.wrong > 0) this.exit(EXIT.unhealthy);
  }
}

function problemsOf(path: string, id: string, validate: Parameters<typeof verifyRecord>[2]): string[] | null {
  try {
    const read = readRecordText(path);
    return read === null ? null : verifyRecord(read.text, id, validate);
  } catch (error) {
    return [(error as Error).message];
  }
}
