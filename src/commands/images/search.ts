import {Args} from '@oclif/core';
import {EXIT} from '../../errors.js';
import {TareCommand} from '../shared/command.js';
import {allImages, imageFlags, imageTable, isCalled, openImages} from '../shared/images.js';
import {say, sayJson} from '../shared/output.js';

export default class ImagesSearch extends TareCommand {
  static override aliases = ['search'];
  static override summary = 'Find images by a part of their path, name or digest.';
  static override description = 'Exit status 1 when there is none.';
  static override examples = ['<%= config.bin %> images search el9', '<%= config.bin %> search el9'];
  static override args = {
    text: Args.string({description: 'part of a path, name or digest; case does not matter', required: true, ignoreStdin: true}),
  };
  static override flags = imageFlags;

  async run(): Promise<void> {
    const {flags, args} = await this.parse(ImagesSearch);
    const rows = allImages(await openImages(flags.policy)).filter((image) => isCalled(image, args.text));
    if (flags.json) sayJson(rows);
    else if (rows.length > 0) say(imageTable(rows).trimEnd());
    if (rows.length === 0) this.exit(EXIT.unhealthy);
  }
}
