/** Draws what was kept of the figures: latency against load, and cost against history, into `docs/pictures`. */
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import { median, type PictureName, pictureNames } from './benchmark.ts'
import { type Kept, keptRows } from './results.ts'

const folder = fileURLToPath(new URL('../docs/pictures/', import.meta.url))

const axes = {
  'latency-against-load': { x: 'events a second, over 20 sessions', y: 'ms from socket to socket' },
  'cost-against-history': { x: 'events in the database', y: 'ms, 99 of 100 calls are faster' },
} as const satisfies Record<PictureName, { x: string; y: string }>

export async function draw(): Promise<void> {
  const rows = await keptRows()
  await mkdir(folder, { recursive: true })
  for (const name of pictureNames) {
    const own = rows.filter(({ point }) => point?.picture === name)
    if (own.length === 0) continue
    await writeFile(`${folder}${name}.svg`, `${await svg(name, own)}\n`)
  }
}

function svg(name: PictureName, rows: readonly Kept[]): Promise<string> {
  const values = rows.flatMap(({ point, figures, reference }) => {
    if (!point) return []
    const { series, x } = point
    const bare = reference && 'figures' in reference ? reference : null
    return [
      { series, x, y: median(figures), least: Math.min(...figures), greatest: Math.max(...figures), line: 'ours' },
      ...(bare ? [{ series, x, y: median(bare.figures), line: bare.what }] : []),
    ]
  })
  const x = { field: 'x', type: 'quantitative', scale: { type: 'log' }, title: axes[name].x } as const
  const spec: TopLevelSpec = {
    width: 560,
    height: 320,
    background: 'white',
    title: { text: `${rows[0]?.machine}, ${rows[0]?.date}, load ${rows[0]?.load?.toFixed(1)}`, fontSize: 10 },
    data: { values },
    encoding: { x, color: { field: 'series', type: 'nominal', legend: { orient: 'bottom', columns: 1, title: null } } },
    layer: [
      {
        mark: { type: 'errorband', opacity: 0.15 },
        encoding: { y: { field: 'least', type: 'quantitative' }, y2: { field: 'greatest' } },
      },
      {
        mark: { type: 'line', point: true },
        encoding: {
          y: { field: 'y', type: 'quantitative', title: axes[name].y },
          strokeDash: { field: 'line', type: 'nominal', legend: { orient: 'bottom', columns: 1, title: null } },
        },
      },
    ],
  }
  return new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG()
}
