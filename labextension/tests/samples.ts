import type { Bar, Live, Model, Overview, Row } from '../src/model/types';

/** All that the server says of an iteration that went well. */
export function row(version: number, change: Partial<Row> = {}): Row {
  return {
    version,
    status: 'verified',
    seconds: 1.5,
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
    deployable: true,
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
    deployable: false,
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

export function bar({ version, status, seconds, note }: Row): Bar {
  return { version, status, seconds, note };
}

/** What the server says of a model with these iterations, oldest first. */
export function model(name: string, change: Partial<Model> = {}, rows: Row[] = [row(1), row(2)]): Model {
  const last = rows[rows.length - 1];
  return { name, total: rows.length, live: live(2), working: null, last, recent: rows.map(bar), ...change };
}

/** What the server answers to who asks for the iterations of a model, page by page. */
export function page(rows: Row[], path: string): Response {
  const query = new URL(path, 'http://localhost/').searchParams;
  const iterations = [...rows].reverse().slice(0, Number(query.get('last')));
  return new Response(JSON.stringify({ iterations, total: rows.length }));
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
