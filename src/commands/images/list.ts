import {Command} from '@oclif/core';
import {allImages, imageFlags, imageTable, openImages} from '../shared/images.js';
import {explain, say, sayJson} from '../shared/output.js';

export default class ImagesList extends Command {
  static override summary = 'List the images of this node.';
  static override description =
    'Lists the images below imageStore.places of the policy, and those that are unpacked in the cache. ALLOWED: whether the policy allows the image to a job that no rule matches.';
  static override examples = ['<%= config.bin %> images list', '<%= config.bin %> images list --json'];
  static override flags = imageFlags;

  async run(): Promise<void> {
    const {flags} = await this.parse(ImagesList);
    try {
      const rows = allImages(await openImages(flags.policy));
      if (flags.json) sayJson(rows);
      else if (rows.length > 0) say(imageTable(rows).trimEnd());
    } catch (error) {
      this.exit(explain(error));
    }
  }
}
