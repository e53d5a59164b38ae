import {existsSync} from 'node:fs';
import {Flags} from '@oclif/core';
import {pruneCache} from '../../image/cache-prune.js';
import {formatBytes, parseDuration} from '../../job/quantity.js';
import {cacheContext} from '../../prepare/image.js';
import {TareCommand} from '../shared/command.js';
import {imageFlags, openImages} from '../shared/images.js';
import {say, sayJson} from '../shared/output.js';

export default class ImagesPrune extends TareCommand {
  static override summary = 'Remove unpacked images that no job has used for a given time.';
  static override description =
    'Removes only images that Tare has unpacked into the caller’s cache, and leftovers of unpacking that was killed. Images of live boxes stay.';
  static override examples = [
    '<%= config.bin %> images prune --older-than 30d',
    '<%= config.bin %> images prune --older-than 0s --dry-run',
  ];
  static override flags = {
    ...imageFlags,
    'older-than': Flags.string({description: 'images that no box was started with for that time', required: true, helpValue: 'TIME'}),
    'dry-run': Flags.boolean({description: 'only print what would be removed'}),
  };

  async run(): Promise<void> {
    const {flags} = await this.parse(ImagesPrune);
    const {cache, uid} = await openImages(flags.policy);
    const before = Date.now() * 1000 - parseDuration(flags['older-than'], '--older-than');
    const none = {removed: [], inUse: 0, young: 0};
    const pruned = existsSync(cache) ? pruneCache(cacheContext(cache, uid), before, !flags['dry-run']) : none;
    const {removed, inUse, young} = pruned;
    const bytes = removed.reduce((sum, image) => sum + image.bytes, 0);
    if (flags.json) {
      sayJson({...pruned, bytes});
      return;
    }
    for (const image of removed) say(`${image.digest}  ${formatBytes(image.bytes)}  ${image.source}`);
    const kept = [inUse > 0 ? `${String(inUse)} in use` : '', young > 0 ? `${String(young)} used since` : ''].filter((one) => one !== '');
    const done = flags['dry-run'] ? 'would be removed' : 'removed';
    say(`${String(removed.length)} images ${done}, ${formatBytes(bytes)} freed${kept.length === 0 ? '' : `; kept: ${kept.join(', ')}`}`);
  }
}
