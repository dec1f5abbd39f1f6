// BullMQ of Node, driven from the tests: one JSON request a line on stdin, replies and happenings
// as JSON lines on stdout. Jobs say in their data what their processor shall do.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CronExpressionParser } from 'cron-parser';
import { Redis } from 'ioredis';
import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq';

// Of the test at hand; `open` begins with new ones, `close` ends them.
let connection, queue, queueName, flows, gates;
const workers = [];
const closers = [];

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const happened = (what, details) => say({ happened: what, ...details });

async function processor(job) {
  const { todo = 'succeed', ms = 0, times = 0 } = job.data;
  happened('processing', { id: job.id, attemptsMade: job.attemptsMade });
  if (ms) await sleep(ms);
  if (job.data.gate) while (!(await gates.exists(job.data.gate))) await sleep(5);
  if (job.data.progress !== undefined) await job.updateProgress(job.data.progress);
  if (job.data.log) await job.log(job.data.log);
  if (todo === 'fail' || job.attemptsMade < times) throw new Error(`told to fail ${job.attemptsMade}`);
  if (todo === 'give up') throw new UnrecoverableError('told to give up');
  return { by: 'node', ...job.data };
}

function nextRun(pattern, tz, at) {
  try {
    return CronExpressionParser.parse(pattern, { tz, currentDate: new Date(at) }).next().getTime();
  } catch {
    return null; // not an expression, or none of its times comes
  }
}

const plain = async (job) =>
  job && {
    ...job.toJSON(),
    deduplicationId: job.deduplicationId,
    state: await job.getState(),
    logs: (await queue.getJobLogs(job.id)).logs,
  };

const operations = {
  async open(options) {
    ({ queueName } = options);
    connection = { path: options.socketPath, maxRetriesPerRequest: null };
    queue = new Queue(queueName, { connection });
    flows = new FlowProducer({ connection });
    gates = new Redis(connection);
    await Promise.all([queue.waitUntilReady(), flows.waitUntilReady()]);
  },
  async close() {
    await operations.stopWorkers({ force: true });
    await Promise.all(closers.splice(0).map((close) => close()));
    await Promise.all([flows?.close(), queue?.close(), gates?.quit()]);
  },
  add: async ({ name, data, opts }) => plain(await queue.add(name, data, opts)),
  addBulk: async ({ jobs }) => (await queue.addBulk(jobs)).map((job) => job.id),
  getJob: async ({ id }) => plain(await queue.getJob(id)),
  getJobs: async ({ states, start = 0, end = -1, asc = false }) =>
    (await queue.getJobs(states, start, end, asc)).map((job) => job.id),
  counts: () => queue.getJobCounts(),
  countsPerPriority: ({ priorities }) => queue.getCountsPerPriority(priorities),
  pause: () => queue.pause(),
  resume: () => queue.resume(),
  isPaused: () => queue.isPaused(),
  getWorkers: async () => (await queue.getWorkers()).map(({ name, rawname }) => ({ name, rawname })),
  metrics: ({ type }) => queue.getMetrics(type),
  retry: async ({ id }) => (await queue.getJob(id)).retry(),
  remove: ({ id }) => queue.remove(id),
  promote: async ({ id }) => (await queue.getJob(id)).promote(),
  changePriority: async ({ id, priority }) => (await queue.getJob(id)).changePriority({ priority }),
  clean: ({ grace, limit, type }) => queue.clean(grace, limit, type),
  drain: ({ delayed = false }) => queue.drain(delayed),
  setGlobalConcurrency: ({ limit }) => queue.setGlobalConcurrency(limit),
  getGlobalConcurrency: () => queue.getGlobalConcurrency(),
  setGlobalRateLimit: ({ max, duration }) => queue.setGlobalRateLimit(max, duration),
  rateLimit: ({ ms }) => queue.rateLimit(ms),
  removeRateLimit: () => queue.removeRateLimitKey(),
  async addFlow({ flow }) {
    const { job, children } = await flows.add(flow);
    return { id: job.id, children: children.map((child) => child.job.id) };
  },
  childrenValues: async ({ id }) => (await queue.getJob(id)).getChildrenValues(),
  upsertJobScheduler: async ({ id, repeat, template }) => plain(await queue.upsertJobScheduler(id, repeat, template)),
  getJobSchedulers: () => queue.getJobSchedulers(),
  removeJobScheduler: ({ id }) => queue.removeJobScheduler(id),
  cronNext: ({ cases }) => cases.map(([pattern, tz, at]) => nextRun(pattern, tz, at)),
  removeDeduplicationKey: ({ id }) => queue.removeDeduplicationKey(id),

  async startWorker({ opts = {} }) {
    const worker = new Worker(queueName, processor, { connection, ...opts });
    for (const event of ['completed', 'failed', 'stalled', 'error'])
      worker.on(event, (subject, detail) =>
        happened(event, { id: subject?.id ?? subject, detail: detail?.message ?? detail ?? subject?.message }),
      );
    await worker.waitUntilReady();
    workers.push(worker);
  },
  async stopWorkers({ force = false }) {
    await Promise.all(workers.splice(0).map((worker) => worker.close(force)));
  },
  async listen() {
    const events = new QueueEvents(queueName, { connection, lastEventId: '0-0' });
    for (const name of ['added', 'waiting', 'active', 'progress', 'completed', 'failed', 'delayed', 'stalled',
      'duplicated', 'deduplicated', 'paused', 'resumed', 'removed', 'drained', 'retries-exhausted', 'cleaned'])
      events.on(name, (details, streamId) => happened(`event:${name}`, streamId ? { ...details, streamId } : { streamId: details }));
    await events.waitUntilReady();
    closers.push(() => events.close());
  },
  async board() {
    const [{ createBullBoard }, { BullMQAdapter }, { ExpressAdapter }, { default: express }] = await Promise.all([
      import('@bull-board/api'), import('@bull-board/api/bullMQAdapter'), import('@bull-board/express'), import('express'),
    ]);
    const adapter = new ExpressAdapter();
    adapter.setBasePath('/board');
    createBullBoard({ queues: [new BullMQAdapter(queue)], serverAdapter: adapter });
    const app = express();
    app.use('/board', adapter.getRouter());
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    closers.push(() => server.close());
    return server.address().port;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { request, operation, ...options } = JSON.parse(line);
  Promise.resolve()
    .then(() => operations[operation](options))
    .then((result = null) => say({ request, result }))
    .catch((error) => say({ request, error: `${error.name}: ${error.message}` }));
}
await operations.close();
process.exit(0);
