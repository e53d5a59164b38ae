/** Paths of terminals, as links of proc_pid_fd(5) name them. */
export const TERMINAL = /^\/dev\/(?:pts\/\d+|tty\w*|console)$/;
