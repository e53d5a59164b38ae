/** What commands have in common that do all of their work, or say why not. */

import {Command} from '@oclif/core';
import {explain} from './output.js';

/** A command that says in a line what kept it from its work, and ends with the exit status of that error. */
export abstract class TareCommand extends Command {
  /** What oclif has thrown, it also says: an exit, and what is wrong with a command line. */
  protected override catch(error: Error): Promise<unknown> {
    return 'oclif' in error ? super.catch(error) : this.exit(explain(error));
  }
}
