import {resolve} from 'node:path';
import {Args} from '@oclif/core';
import {EXIT, TareError} from '../../errors.js';
import {listCache} from '../../image/cache-prune.js';
import {lookAtImage} from '../../image/look.js';
import {isImageName, NAMES, plainName, wholeName} from '../../job/image-name.js';
import {formatBytes} from '../../job/quantity.js';
import {allowsImage, allowsPath} from '../../policy/images.js';
import {renderTable} from '../../report/table.js';
import {TareCommand} from '../shared/command.js';
import {allImages, imageFlags, isCalled, lookInStores, openImages, type Images} from '../shared/images.js';
import {say, sayJson} from '../shared/output.js';

export default class ImagesInspect extends TareCommand {
  static override summary = 'Show one image, and whether it can be used here.';
  static override description =
    'A squashfs file is read whole, for its digest. A name is looked up in root’s stores of the engines that the policy lists, and nothing is fetched. Exit status 1 when the policy does not allow the image to a job that no rule matches.';
  static override examples = ['<%= config.bin %> images inspect /data/images/el9.tar', '<%= config.bin %> images inspect el9'];
  static override args = {
    image: Args.string({
      description: 'path, docker://NAME, or a unique part of a path, name or digest',
      required: true,
      ignoreStdin: true,
    }),
  };
  static override flags = imageFlags;

  async run(): Promise<void> {
    const {flags, args} = await this.parse(ImagesInspect);
    const images = await openImages(flags.policy);
    const path = pathOf(args.image, images);
    const user = images.uid !== 0;
    const looked = isImageName(path)
      ? {...(await lookInStores(path, args.image, images)), name: plainName(path), bytes: null, layers: null}
      : await lookAtImage(path, {identity: null, where: args.image, digest: true, user});
    const {value, provenance} = images.policy.images;
    const allowed = allowsImage(value, looked);
    const by = allowed ? (allowsPath(value, path) ? (isImageName(path) ? 'its name' : 'its path') : 'its digest') : null;
    const cached = listCache({directory: images.cache}).find(({digest}) => digest === looked.digest) ?? null;
    if (flags.json) sayJson({...looked, allowed, allowedBy: by, cached});
    else {
      const rows = [
        ['path', path],
        ['kind', looked.kind],
        ['digest', looked.digest],
        ['store of', looked.store ?? null],
        ['name', looked.name],
        ['architecture', looked.architecture],
        ['size', looked.bytes === null ? null : formatBytes(looked.bytes)],
        ['layers', looked.layers === null ? null : String(looked.layers)],
        ['mounted by', looked.mount?.by ?? null],
        ['allowed', by === null ? `no: ${value.join(', ') || 'none'} (${provenance.at})` : `yes, by ${by} (${provenance.at})`],
        ['unpacked', cached === null ? null : `${cached.path}, ${formatBytes(cached.bytes)}, ${String(cached.uses)} live boxes`],
      ];
      say(
        renderTable(
          [{header: ''}, {header: ''}],
          rows.map(([what, is]) => [what ?? '', is ?? '-']),
        )
          .trim()
          .replaceAll(/^ +/gm, ''),
      );
    }
    if (!allowed) this.exit(EXIT.unhealthy);
  }
}

/** @throws TareError IMAGE_UNUSABLE */
function pathOf(text: string, images: Images): string {
  if (isImageName(text)) {
    const whole = wholeName(text);
    if (whole !== null) return whole;
    throw new TareError('IMAGE_UNUSABLE', {message: 'not the name of an image', where: text, found: text, allowed: NAMES});
  }
  if (text.includes('/')) return resolve(text);
  const fitting = allImages(images).filter((image) => isCalled(image, text));
  const [only, ...others] = fitting;
  if (only !== undefined && others.length === 0) return only.path;
  throw new TareError('IMAGE_UNUSABLE', {
    message: only === undefined ? 'no image is called so' : 'several images are called so',
    where: text,
    found: fitting.length === 0 ? undefined : fitting.map(({path}) => path).join(', '),
    remedy: 'name it by its path; `tare images list` lists them',
  });
}
