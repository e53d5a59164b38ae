/** How every engine starts init: the front replaces the path of its executable and the number of its socket (native/README.md). */
export const INIT_ARGV = ['{init}', 'tare-init', '{control}'] as const;
