/* Only in the sanitizers' build: where they report to, whatever descriptor 2 is, and no leak check (every role ends
 * with _exit and holds what it holds until then). */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=0:exitcode=99:log_path=/tmp/tare-sane";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:log_path=/tmp/tare-sane";
}
