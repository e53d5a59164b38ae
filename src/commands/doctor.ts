import {Command, Flags} from '@oclif/core';
import {EXIT} from '../errors.js';
import {PLUGINS} from '../plugins.js';
import {isOpen, renderAttacks} from '../report/attacks.js';
import {renderDiagnosis, verdictOf} from '../report/doctor-text.js';
import {diagnose} from '../report/doctor.js';
import {renderTried} from '../report/health.js';
import {renderRepositories} from '../report/repositories.js';
import {examineRepositories} from '../run/examine-repositories.js';
import {examineNode} from '../run/examine.js';
import {switchOn, switchText} from '../run/kill-switch.js';
import {tryBox} from '../run/probe-account.js';
import {tryAttacks} from '../run/try-attacks.js';
import {complain, explain} from './shared/output.js';

export default class Doctor extends Command {
  static override summary = 'Say what this node can do, what each missing thing costs, and how to mend it.';
  static override description =
    'It also starts a real box with this account’s own directories, policy and slot, writes and reads a record, and removes both. Exit status 1 when the node cannot run a pattern that the policy allows, or the box got less than the policy requires; with --cvmfs, when a repository cannot be used; with --attacks, when an attack succeeded.';
  static override examples = ['<%= config.bin %> doctor', '<%= config.bin %> doctor --cvmfs --json', '<%= config.bin %> doctor --attacks'];
  static override flags = {
    policy: Flags.string({description: 'policy file instead of the node’s own', helpValue: 'FILE'}),
    cvmfs: Flags.boolean({
      description: 'look only at repositories of CVMFS: those that the policy names and those that are mounted, each within its deadline',
    }),
    repository: Flags.string({
      description: 'with --cvmfs: this one only; can be given more than once',
      helpValue: 'NAME',
      multiple: true,
      dependsOn: ['cvmfs'],
    }),
    user: Flags.string({
      description: 'as root: start the box as this account, by its name or number',
      helpValue: 'NAME',
      exclusive: ['cvmfs'],
    }),
    attacks: Flags.boolean({
      description:
        'also attack real boxes of each installed engine with known vulnerabilities; tests behaviour, not versions; does not change the node',
      exclusive: ['cvmfs', 'user'],
    }),
    json: Flags.boolean({description: 'print the result as JSON'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(Doctor);
    try {
      if (flags.cvmfs) {
        const {root, repositories, mount, healthy} = await examineRepositories(flags.policy ?? null, flags.repository ?? []);
        const options = process.stdout.isTTY ? {width: process.stdout.columns} : {};
        this.log(
          flags.json
            ? JSON.stringify({root, repositories, mount, healthy}, null, 2)
            : renderRepositories(root, repositories, mount, options).trimEnd(),
        );
        if (!healthy) this.exit(EXIT.unhealthy);
        return;
      }
      const examined = await examineNode(flags.policy ?? null, PLUGINS, process.env as Record<string, string>);
      const diagnosis = diagnose(examined);
      const tried = await tryBox(flags.user ?? null, flags.policy ?? null);
      const attacks = flags.attacks ? await tryAttacks(examined, flags.policy ?? null) : null;
      const options = process.stdout.isTTY ? {width: process.stdout.columns} : {};
      const tries = {tried, ...(attacks === null ? {} : {attacks})};
      this.log(
        flags.json
          ? JSON.stringify({facts: examined.facts, machine: examined.machine, ...diagnosis, ...tries}, null, 2)
          : renderDiagnosis(diagnosis, options).trimEnd(),
      );
      if (attacks !== null && !flags.json) this.log(`\n${renderAttacks(attacks, options)}`);
      const verdict = verdictOf(diagnosis.healthy, tried, attacks !== null && isOpen(attacks));
      if (!flags.json) this.log(`${renderTried(tried)}\n${verdict}`);
      if (verdict !== 'healthy') this.exit(EXIT.unhealthy);
    } catch (error) {
      if ((error as {oclif?: object}).oclif !== undefined) throw error;
      // it is looked at before the policy, and so helps against a broken one
      const switched = switchOn(null);
      if (switched !== null) complain(switchText(switched));
      this.exit(explain(error));
    }
  }
}
