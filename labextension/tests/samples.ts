import type { Live, Model, Overview, Row } from '../src/model/types';

/** All that the server says of an iteration that went well. */
export function row(version: number, change: Partial<Row> = {}): Row {
  return {
    version,
    status: 'verified',
    parity: 'exact',
    started_at: '2026-05-01T10:00:00+00:00',
    finished_at: '2026-05-01T10:02:00+00:00',
    cycle_seconds: 120,
    package_to_verified_seconds: 1.5,
    lead_seconds: 2,
    think_seconds: 90,
    run_seconds: 28.5,
    capture_seconds: 0.3,
    build_seconds: 0.2,
    load_seconds: 0.1,
    start_seconds: 0.8,
    verify_seconds: 0.1,
    engine: 'docker',
    method: 'containeriter',
    hot: false,
    metrics: { accuracy: 0.9371 },
    params: { max_depth: 3 },
    note: '',
    notebook: '/home/ada/churn.ipynb',
    error: '',
    restorable: true,
    ...change
  };
}

export function failedRow(version: number, change: Partial<Row> = {}): Row {
  return row(version, {
    status: 'failed',
    parity: 'failed',
    package_to_verified_seconds: null,
    error: 'churn predicts something else than the notebook',
    restorable: false,
    ...change
  });
}

export function live(version: number, change: Partial<Live> = {}): Live {
  return {
    version,
    status: 'verified',
    parity: 'exact',
    engine: 'docker',
    running: true,
    hot: false,
    started_at: '2026-05-01T10:02:00+00:00',
    url: 'http://127.0.0.1:24153',
    proxy: 'containeriter/proxy/churn/',
    example: '{"inputs": [1]}',
    ...change
  };
}

export function model(name: string, change: Partial<Model> = {}): Model {
  return { name, total: 2, live: live(2), working: null, recent: [row(1), row(2)], ...change };
}

export function overview(models: Model[], change: Partial<Overview> = {}): Overview {
  const engine = { name: 'docker', version: '28.0', endpoint: 'unix:///run/docker.sock', isolation: 'container' };
  return { engine, problem: null, remarks: [], models, ...change };
}

/** A response whose body is written by the test, as a stream of server-sent events. */
export function eventStream(): { response: Response; send: (text: string) => void; end: () => void } {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: given => void (controller = given) });
  return {
    response: new Response(body, { headers: { 'Content-Type': 'text/event-stream' } }),
    send: text => controller.enqueue(new TextEncoder().encode(text)),
    end: () => controller.close()
  };
}
