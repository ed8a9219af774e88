/**
 * The figures of the last run of each benchmark, in `results.json`, and `RESULTS.md`, which is made from them: one table
 * with a line for each row. What people have written below that table stays.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, loadavg, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { median, type Row, type Target } from './benchmark.ts'

/** Where and when a benchmark ran. */
export type Occasion = {
  benchmark: string
  date: string
  machine: string
  node: string
  /** Of the machine in the minute before it began: what others were doing. Null: nobody looked. */
  load: number | null
}
export type Kept = Row & Occasion

const inHere = (name: string) => fileURLToPath(new URL(name, import.meta.url))
const figuresFile = inHere('./results.json')
const tableFile = inHere('./RESULTS.md')

const head = `# Results

Made by \`npm run bench\`: of each row its latest run, five times by turns with its reference on the same machine; the
figure is the median. *Load* is what other work the machine had when it began, on its two cores: with much of it the
ratios say more than the milliseconds. ✓ and ✗ say whether the target was reached. All figures: \`results.json\`; pictures:
\`docs/pictures\`, by \`npm run bench -- pictures\`.
`
/** From here on the file is people's. */
const remarks = '\n## What was found\n'

export const occasion = (benchmark: string): Occasion => ({
  benchmark,
  date: new Date().toISOString().slice(0, 16).replace('T', ' '),
  machine: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
  node: process.version,
  load: loadavg()[0] ?? null,
})

export async function keptRows(): Promise<Kept[]> {
  return JSON.parse((await readIfThere(figuresFile)) ?? '[]')
}

/** Takes the place of what the same benchmark said before; `order` is that of the benchmarks. */
export async function keep(rows: readonly Kept[], order: readonly string[]): Promise<void> {
  const again = new Set(rows.map(({ benchmark }) => benchmark))
  const all = [...(await keptRows()).filter(({ benchmark }) => !again.has(benchmark)), ...rows]
  const sorted = all.toSorted((a, b) => order.indexOf(a.benchmark) - order.indexOf(b.benchmark))
  const lines = sorted.map((row) => `  ${JSON.stringify({ ...row, figures: row.figures.map(short) }, shortFigures)}`)
  await writeFile(figuresFile, `[\n${lines.join(',\n')}\n]\n`)
  const [, written = ''] = ((await readIfThere(tableFile)) ?? '').split(remarks)
  await writeFile(tableFile, `${head}\n${machines(sorted)}\n\n${table(sorted)}\n${remarks}${written}`)
}

const short = (figure: number) => Number(figure.toPrecision(4))
const shortFigures = (key: string, value: unknown): unknown =>
  key === 'figures' && Array.isArray(value) ? value.map(short) : value

const machines = (rows: readonly Kept[]): string =>
  [...new Set(rows.map(({ machine, node }) => `${machine}, Node ${node}`))].join('; ')

const columns = [
  'what',
  'unit',
  'least',
  'median',
  'greatest',
  'reference',
  'its median',
  'ratio',
  'target',
  'date',
  'load',
]

export function table(rows: readonly Kept[]): string {
  const lines = [columns, ...rows.map(cells)]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  const line = (texts: string[]) => `| ${texts.map((text, i) => text.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const [first = [], ...body] = lines
  return [line(first), rule, ...body.map(line)].join('\n')
}

function cells(row: Kept): string[] {
  const { what, unit, figures, reference, target, date, load } = row
  const measured = reference && 'figures' in reference ? reference : null
  return [
    what,
    unit,
    shown(Math.min(...figures)),
    shown(median(figures)),
    shown(Math.max(...figures)),
    measured?.what ?? (reference && 'absent' in reference ? reference.absent : ''),
    measured ? shown(median(measured.figures)) : '',
    measured ? ratioOf(figures, measured.figures) : '',
    target ? `${bound(target, unit)} ${reached(row, target) ? '✓' : '✗'}` : '',
    date,
    load?.toFixed(1) ?? '',
  ]
}

/** None to what is nothing. */
function ratioOf(figures: readonly number[], its: readonly number[]): string {
  const ratio = median(figures) / median(its)
  return Number.isFinite(ratio) ? ratio.toFixed(2) : ''
}

function bound({ of, atLeast, atMost, plus }: Target, unit: string): string {
  const value = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`
  return `${value}${of === 'ratio' ? ' ×' : ` ${unit}`}${plus === undefined ? '' : ` + ${plus} ${unit}`}`
}

function reached(
  { figures, reference }: Row,
  { of, atLeast = 0, atMost = Number.POSITIVE_INFINITY, plus = 0 }: Target,
): boolean {
  const its = of === 'median' ? 1 : reference && 'figures' in reference ? median(reference.figures) : Number.NaN
  const value = (median(figures) - plus) / its
  return value >= atLeast && value <= atMost
}

const shown = (figure: number): string =>
  figure >= 100 ? Math.round(figure).toLocaleString('en-US') : figure.toPrecision(3)

const readIfThere = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw error
  })
