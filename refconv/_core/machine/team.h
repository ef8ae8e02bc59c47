/* A team of threads that runs parallel regions and sleeps when there is no work.

   A region of size n is n calls of one function, numbered from 0. Any free thread takes the next call that has not begun. The
   caller takes calls, too, so it never waits for a worker that the system has not scheduled. An idle worker spins for
   IDLE_SPIN and then sleeps; the caller spins for FINAL_SPIN after its last call and then sleeps until the last worker is
   done. After a spinning thread was preempted, no thread spins for the time STAYS_BUSY; threads sleep at once instead. Only
   one region at a time uses the workers: a second Python thread runs its region alone, with the same results.

   Python handles signals between two of its instructions, and a kernel is one instruction. So the main thread also handles
   them between the iterations of a dynamic loop, every POLL_INTERVAL. If a handler raises an error, for example
   KeyboardInterrupt, the loops of the kernel end early, and Python raises the error when the kernel returns (cpu.pyx), so that
   no code sees its unfinished result.

   This file is included by cpu.pyx only, so that a process has one team. */
#ifndef REFCONV_TEAM_H
#define REFCONV_TEAM_H

#include "machine/regions.h"

#if defined(_MSC_VER)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

static THREAD_LOCAL Settings settings = {.threads = 1, .tile_side = 2};
static const Settings *settings_of_this_thread(void) { return &settings; }
static void set_settings_of_this_thread(int threads, int tile_side) { settings = (Settings){threads, tile_side}; }

#ifdef REFCONV_OWN_TEAM

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Times in nanoseconds. Sleeping and waking takes tens of microseconds, as long as the gap between two kernels of a training
   step. On a busy machine, a spinning thread occupies a processor that the thread it waits for may need. */
#define IDLE_SPIN 100000
#define FINAL_SPIN 20000
#define PREEMPTED 50000 /* a gap between two readings of the clock, normally 1000: another process has run */
#define STAYS_BUSY 100000000
#define POLL_INTERVAL 200000000
#define RETRY_AFTER 1000000000 /* after the system refused a thread: a refusal costs a system call or two */
#define PAUSES_PER_CLOCK 16    /* between two readings of the clock; a reading takes as long as a few pauses */

#define CACHE_LINE 64 /* bytes; a whole line, or half a line on some processors */

typedef struct {
    int size;
    atomic_long taken; /* number of iterations of its dynamic loop that have begun */
} Region;

typedef struct {
    Region *region;
    int number;
} Call;

static _Thread_local Call current; /* the call that the current thread runs */

static int (*handle_signals)(void);       /* returns 1 if a handler raised an error */
static _Thread_local int stopping;        /* a handler raised an error that Python has not raised yet */
static _Thread_local long long next_poll; /* time of the coarse clock */

static struct {
    atomic_flag in_use;
    atomic_uint pending;    /* calls of the open region that have not begun; idle workers sleep while it is 0 */
    atomic_uint unfinished; /* calls, except call 0, that have not ended; the caller sleeps until it is 0 */
    atomic_uint caller_sleeps;
    atomic_uint workers, sleepers;
    atomic_uint threads; /* number of threads of the region that was opened last */
    unsigned processors;
    atomic_llong busy_until; /* no thread spins before this time */
    long long refused_until; /* no worker is started before this time; only the thread that opens a region uses it */
    Region region;
    void (*body)(void *);
    void *data;
} pool __attribute__((aligned(CACHE_LINE))) = {.in_use = ATOMIC_FLAG_INIT};

static void sleep_while(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(atomic_uint *word, unsigned threads)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, threads, NULL, NULL, 0);
}

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Spin until the word is zero, or non-zero if `zero` is false, but at most for this time. Return at once if there are fewer
   processors than threads or if another process needs them. */
static void spin_until(atomic_uint *word, int zero, long long nanoseconds)
{
    if (atomic_load_explicit(&pool.threads, memory_order_relaxed) > pool.processors)
        return;
    long long start = now(), before = start;
    if (start < atomic_load_explicit(&pool.busy_until, memory_order_relaxed))
        return;
    for (long long time = start; time < start + nanoseconds; before = time, time = now()) {
        if (time - before > PREEMPTED) {
            atomic_store_explicit(&pool.busy_until, time + STAYS_BUSY, memory_order_relaxed);
            return;
        }
        for (int k = 0; k < PAUSES_PER_CLOCK; k++) {
            if ((atomic_load_explicit(word, memory_order_relaxed) == 0) == zero)
                return;
            pause_briefly();
        }
    }
}

static void call(void (*body)(void *), void *data, Region *region, int number)
{
    Call outer = current;
    current = (Call){region, number};
    body(data);
    current = outer;
}

/* Run one call that has not begun; return 0 if there is none. Until the call ends, the region stays open and its fields do not
   change. */
static int run_pending(void)
{
    unsigned number = atomic_load(&pool.pending);
    while (number && !atomic_compare_exchange_weak(&pool.pending, &number, number - 1))
        ;
    if (!number)
        return 0;
    call(pool.body, pool.data, &pool.region, (int)number);
    if (atomic_fetch_sub(&pool.unfinished, 1) == 1 && atomic_load(&pool.caller_sleeps))
        wake(&pool.unfinished, 1);
    return 1;
}

static void *work(void *unused)
{
    for (;;) {
        while (run_pending())
            ;
        spin_until(&pool.pending, 0, IDLE_SPIN);
        if (atomic_load(&pool.pending))
            continue;
        atomic_fetch_add(&pool.sleepers, 1);
        sleep_while(&pool.pending, 0);
        atomic_fetch_sub(&pool.sleepers, 1);
    }
    return unused;
}

static void wait_for_workers(void)
{
    spin_until(&pool.unfinished, 1, FINAL_SPIN);
    if (!atomic_load(&pool.unfinished))
        return;
    atomic_store(&pool.caller_sleeps, 1);
    for (unsigned left; (left = atomic_load(&pool.unfinished)) != 0;)
        sleep_while(&pool.unfinished, left);
    atomic_store(&pool.caller_sleeps, 0);
}

/* A forked child has no workers, and no region is open in it. */
static void reset_in_child(void)
{
    atomic_store(&pool.workers, 0);
    atomic_store(&pool.pending, 0);
    atomic_store(&pool.unfinished, 0);
    atomic_store(&pool.sleepers, 0);
    atomic_store(&pool.caller_sleeps, 0);
    pool.refused_until = 0;
    atomic_flag_clear(&pool.in_use);
}

/* Block all signals in a worker, so that the program's own threads handle them, except the signals of a fault in the worker
   itself: if those were blocked, the process would end without running a handler such as Python's faulthandler. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t blocked;
    sigfillset(&blocked);
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++)
        sigdelset(&blocked, faults[k]);
    pthread_sigmask(SIG_SETMASK, &blocked, before);
}

/* Start workers until there are `wanted` workers. If the system refuses to create one, the existing threads run its calls. */
static void start_workers(unsigned wanted)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t before;
    if (atomic_load(&pool.workers) >= wanted || now() < pool.refused_until)
        return;
    block_signals(&before); /* a worker inherits the mask */
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    while (atomic_load(&pool.workers) < wanted && !pthread_create(&thread, &attributes, work, NULL))
        atomic_fetch_add(&pool.workers, 1);
    if (atomic_load(&pool.workers) < wanted)
        pool.refused_until = now() + RETRY_AFTER;
    pthread_attr_destroy(&attributes);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Wake sleeping workers until `wanted` are awake. A worker that is not counted as a sleeper checks for pending calls before it
   sleeps. */
static void wake_workers(unsigned wanted)
{
    unsigned workers = atomic_load(&pool.workers), sleepers = atomic_load(&pool.sleepers);
    unsigned awake = workers > sleepers ? workers - sleepers : 0;
    if (sleepers && wanted > awake)
        wake(&pool.pending, wanted - awake);
}

/* Run all calls in this thread. */
static void run_alone(void (*body)(void *), void *data, int size)
{
    Region region = {.size = size};
    for (int number = 0; number < size; number++)
        call(body, data, &region, number);
}

static void run_region(void (*body)(void *), void *data, int size)
{
    if (size == 1 || atomic_flag_test_and_set(&pool.in_use)) {
        run_alone(body, data, size);
        return;
    }
    start_workers(size - 1);
    pool.body = body;
    pool.data = data;
    pool.region.size = size;
    atomic_store(&pool.threads, size);
    atomic_store(&pool.region.taken, 0);
    atomic_store(&pool.unfinished, size - 1);
    atomic_store(&pool.pending, size - 1); /* opens the region */
    wake_workers(size - 1);
    call(body, data, &pool.region, 0);
    while (run_pending())
        ;
    wait_for_workers();
    atomic_flag_clear(&pool.in_use);
}

static int current_number(void) { return current.region ? current.number : 0; }
static int current_size(void) { return current.region ? current.region->size : 1; }

/* Return 1 if the loops of this thread must end early. Only the main thread handles signals. The coarse clock is the time of
   the last timer interrupt; reading it costs a few nanoseconds. */
static int must_stop(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    long long time = t.tv_sec * 1000000000LL + t.tv_nsec;
    if (!stopping && time >= next_poll) {
        next_poll = time + POLL_INTERVAL;
        stopping = syscall(SYS_gettid) == getpid() && handle_signals();
    }
    return stopping;
}

static long take_iteration(void)
{
    Region *region = current.region;
    if (current.number == 0 && must_stop()) /* call 0 runs in the thread that opened the region */
        atomic_store(&region->taken, LONG_MIN);
    return atomic_fetch_add(&region->taken, 1);
}

static void error_is_raised(void) { stopping = 0; }

/* Aligned so that it shares no cache line with the pool, whose counters change while workers read these pointers. */
static __attribute__((aligned(CACHE_LINE))) Team the_team = {settings_of_this_thread, run_region, current_number,
                                                             current_size, take_iteration};

static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) ? (int)sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
}

static Team *create_team(int (*handle)(void))
{
    handle_signals = handle;
    pool.processors = processors();
    pthread_atfork(NULL, NULL, reset_in_child);
    return &the_team;
}

/* While the workers are reserved, regions run only on the thread that opens them. */
static void reserve_workers(void) { atomic_flag_test_and_set(&pool.in_use); }
static void release_workers(void) { atomic_flag_clear(&pool.in_use); }

#else
static Team the_team = {.settings = settings_of_this_thread};
static Team *create_team(int (*handle)(void)) { return &the_team; }
static void error_is_raised(void) {}
static void reserve_workers(void) {}
static void release_workers(void) {}
#endif
#endif
