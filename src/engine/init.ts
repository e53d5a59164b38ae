/** How every engine starts init: enter puts the socket to the front at descriptor 3 and the executable at 4 (native/README.md). */
export const INIT_ARGV = ['/proc/self/fd/4', 'tare-init', '3'] as const;
