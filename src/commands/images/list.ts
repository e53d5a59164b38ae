import {TareCommand} from '../shared/command.js';
import {allImages, imageFlags, imageTable, openImages} from '../shared/images.js';
import {say, sayJson} from '../shared/output.js';

export default class ImagesList extends TareCommand {
  static override aliases = ['images'];
  static override summary = 'List the images of this node.';
  static override description =
    'Lists the images below imageStore.places of the policy, and those that are unpacked in the cache. ALLOWED: whether the policy allows the image to a job that no rule matches.';
  static override examples = ['<%= config.bin %> images', '<%= config.bin %> images list --json'];
  static override flags = imageFlags;

  async run(): Promise<void> {
    const {flags} = await this.parse(ImagesList);
    const rows = allImages(await openImages(flags.policy));
    if (flags.json) sayJson(rows);
    else if (rows.length > 0) say(imageTable(rows).trimEnd());
  }
}
