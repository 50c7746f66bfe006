<?php
/**
 * rows.php FOLDER: has Laravel run batches of jobs on the Postgres of DATABASE_URL: its own migrations, its bus, its queue
 * worker, its commands that retry. Prints what Laravel says of its batches and of its failed jobs, as JSON.
 * rows.php FOLDER COMMAND: what `artisan` is elsewhere.
 */

// This Laravel is older than this PHP, which deprecates much of it.
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stderr');
require_once 'Illuminate/autoload.php';

use Illuminate\Bus\Batchable;
use Illuminate\Bus\BatchRepository;
use Illuminate\Bus\Queueable;
use Illuminate\Config\Repository;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Bootstrap;
use Illuminate\Foundation\Console\Kernel;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Support\Carbon;
use Illuminate\Support\Facades\Bus;
use Symfony\Component\Console\Input\ArgvInput;
use Symfony\Component\Console\Output\ConsoleOutput;

/** An hour or two away from UTC: failed_at is written without its zone. */
const ZONE = 'Europe/Berlin';

/** A job that is done, or fails as often as it is told to. */
class Work implements ShouldQueue
{
    use Batchable, InteractsWithQueue, Queueable;

    public function __construct(public string $name, public int $fails = 0)
    {
    }

    public function handle()
    {
        // As Laravel's documentation has jobs of batches begin.
        if ($this->batch() && $this->batch()->cancelled()) {
            return;
        }
        // How often it was tried, for the next worker.
        $tries = storage_path($this->name);
        file_put_contents($tries, '.', FILE_APPEND);
        if (filesize($tries) <= $this->fails) {
            throw new RuntimeException("{$this->name} could not be done");
        }
    }
}

/** Without a folder of configuration. */
class ConsoleKernel extends Kernel
{
    protected $bootstrappers = [
        Bootstrap\RegisterFacades::class,
        Bootstrap\RegisterProviders::class,
        Bootstrap\BootProviders::class,
    ];
}

function application(string $folder): Application
{
    foreach (['bootstrap/cache', 'database/migrations', 'storage'] as $needed) {
        is_dir("$folder/$needed") || mkdir("$folder/$needed", 0700, true);
    }
    file_put_contents("$folder/composer.json", '{}');
    $url = parse_url(getenv('DATABASE_URL'));
    parse_str($url['query'] ?? '', $query);
    $app = new Application($folder);
    $app->instance('config', new Repository([
        'app' => ['timezone' => ZONE, 'locale' => 'en', 'key' => str_repeat('k', 32), 'cipher' => 'AES-256-CBC', 'providers' => [
            Illuminate\Bus\BusServiceProvider::class,
            Illuminate\Cache\CacheServiceProvider::class,
            Illuminate\Database\DatabaseServiceProvider::class,
            Illuminate\Encryption\EncryptionServiceProvider::class,
            Illuminate\Filesystem\FilesystemServiceProvider::class,
            Illuminate\Foundation\Providers\ConsoleSupportServiceProvider::class,
            Illuminate\Queue\QueueServiceProvider::class,
        ]],
        'cache' => ['default' => 'array', 'stores' => ['array' => ['driver' => 'array']], 'prefix' => ''],
        'database' => ['default' => 'pgsql', 'migrations' => 'migrations', 'connections' => ['pgsql' => [
            'driver' => 'pgsql',
            'host' => $query['host'] ?? $url['host'],
            'port' => $query['port'] ?? $url['port'] ?? 5432,
            'database' => ltrim($url['path'], '/'),
            'username' => $url['user'],
            'password' => urldecode($url['pass'] ?? ''),
            'charset' => 'utf8',
            'prefix' => '',
            'schema' => 'public',
        ]]],
        'logging' => ['default' => 'null', 'channels' => ['null' => ['driver' => 'monolog', 'handler' => Monolog\Handler\NullHandler::class]]],
        'queue' => [
            'default' => 'database',
            'connections' => ['database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 600]],
            'batching' => ['database' => 'pgsql', 'table' => 'job_batches'],
            'failed' => ['driver' => 'database-uuids', 'database' => 'pgsql', 'table' => 'failed_jobs'],
        ],
    ]));
    date_default_timezone_set(ZONE);
    $app->detectEnvironment(fn () => 'testing');
    $app->singleton(ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);
    $app->singleton(Illuminate\Contracts\Console\Kernel::class, ConsoleKernel::class);
    return $app;
}

/** Jobs of which the last $failing fail $times times. */
function jobs(string $name, int $count, int $failing = 0, int $times = 99): array
{
    $failing = fn (int $number) => $number > $count - $failing ? $times : 0;
    return array_map(fn (int $number) => new Work("$name-$number", $failing($number)), range(1, $count));
}

$folder = $argv[1];
$app = application($folder);
$console = $app->make(Illuminate\Contracts\Console\Kernel::class);
if ($argc > 2) {
    exit($console->handle(new ArgvInput(array_slice($argv, 1)), new ConsoleOutput()));
}
$console->bootstrap();
$artisan = function (string ...$arguments) use ($folder) {
    $command = array_map('escapeshellarg', [PHP_BINARY, __FILE__, $folder, ...$arguments]);
    exec(implode(' ', $command) . ' 2>&1', $said, $code);
    if ($code !== 0) {
        throw new RuntimeException(implode("\n", [...$arguments, ...$said]));
    }
};
$work = fn () => $artisan('queue:work', '--stop-when-empty', '--tries=1', '--sleep=0');
foreach (['queue:table', 'queue:failed-table', 'queue:batches-table'] as $command) {
    $artisan($command);
}
$artisan('migrate', '--force');

foreach (range(1, 20) as $number) {
    Bus::batch(jobs("done-$number", 4))->name("done $number")->dispatch();
}
foreach (range(1, 7) as $number) {
    Bus::batch(jobs("partly-$number", 5, 2))->name("partly $number")->allowFailures()->dispatch();
}
foreach (range(1, 3) as $number) {
    Bus::batch(jobs("none-$number", 3, 3))->name("none $number")->allowFailures()->dispatch();
}
// The first failure cancels what does not allow any.
foreach (range(1, 4) as $number) {
    Bus::batch(jobs("strict-$number", 6, 6))->name("strict $number")->dispatch();
}
foreach (range(1, 2) as $number) {
    Bus::batch(jobs("cancelled-$number", 3))->name("cancelled $number")->dispatch()->cancel();
}
// Failed, and tried again: one batch to the end, one of whose jobs some fail once more.
$again = Bus::batch(jobs('again', 4, 2, times: 1))->name('again')->allowFailures()->dispatch();
$twice = Bus::batch([...jobs('once', 3, 1, times: 1), ...jobs('twice', 2, 1)])->name('twice')->allowFailures()->dispatch();
// Jobs without a batch.
foreach (range(1, 5) as $number) {
    Bus::dispatch(new Work("alone-$number", $number > 2 ? 99 : 0));
}
$work();
foreach ([$again, $twice] as $batch) {
    $artisan('queue:retry-batch', $batch->id);
}
$work();
// Nobody works on these.
foreach (range(1, 3) as $number) {
    Bus::batch(jobs("waits-$number", 2))->name("waits $number")->dispatch();
}

$batches = $app->make(BatchRepository::class)->get(1000);
$state = fn ($batch) => match (true) {
    $batch->cancelled() => $batch->hasFailures() ? 'cancelled, with failures' : 'cancelled',
    $batch->pendingJobs > count($batch->failedJobIds) => 'goes on',
    $batch->failedJobIds === [] => 'done',
    count($batch->failedJobIds) === $batch->totalJobs => 'all jobs failed',
    default => 'some jobs failed',
};
$tallied = array_filter($batches, fn ($batch) => in_array($state($batch), ['done', 'some jobs failed', 'all jobs failed']));
$failed = $app->make('queue.failer')->all();
$between = function (array $times) {
    $seconds = array_map(fn ($time) => Carbon::parse($time, ZONE)->getTimestamp(), $times);
    return [min($seconds), max($seconds)];
};
echo json_encode([
    'job_batches' => [
        'states' => array_count_values(array_map($state, $batches)),
        'items' => [
            'succeeded' => array_sum(array_map(fn ($batch) => $batch->processedJobs(), $tallied)),
            'failed' => array_sum(array_map(fn ($batch) => count($batch->failedJobIds), $tallied)),
        ],
        'queued' => $between(array_map(fn ($batch) => $batch->createdAt, array_filter($batches, fn ($it) => $state($it) !== 'goes on'))),
    ],
    'failed_jobs' => [
        'states' => ['failed' => count($failed)],
        'queued' => $between(array_map(fn ($job) => $job->failed_at, $failed)),
    ],
], JSON_PRETTY_PRINT), "\n";
