/** Figures as a table, on the terminal and in `RESULTS.md`, the newest first. */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { median, type Row } from './benchmark.ts'

const file = fileURLToPath(new URL('./RESULTS.md', import.meta.url))
const title = `# Results

Each figure is the median of five runs, with their least and greatest, measured by turns with its reference on the same
machine. Made by \`npm run bench\`.
`

const columns = ['what', 'unit', 'least', 'median', 'greatest', 'reference', 'its median', 'ratio']

function cells({ what, unit, figures, reference }: Row): string[] {
  const ratio = reference ? (median(figures) / median(reference.figures)).toFixed(2) : ''
  return [
    what,
    unit,
    shown(Math.min(...figures)),
    shown(median(figures)),
    shown(Math.max(...figures)),
    reference?.what ?? '',
    reference ? shown(median(reference.figures)) : '',
    ratio,
  ]
}

const shown = (figure: number): string =>
  figure >= 100 ? Math.round(figure).toLocaleString('en-US') : figure.toPrecision(3)

export function table(rows: readonly Row[]): string {
  const lines = [columns, ...rows.map(cells)]
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  const line = (texts: string[]) => `| ${texts.map((text, i) => text.padEnd(widths[i] ?? 0)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const [head = [], ...body] = lines
  return [line(head), rule, ...body.map(line)].join('\n')
}

export async function keep(rows: readonly Row[]): Promise<void> {
  const date = new Date().toISOString().slice(0, 10)
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`
  const section = `\n## ${date} · ${machine} · Node ${process.version}\n\n${table(rows)}\n`
  const older = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return title
    throw error
  })
  await writeFile(file, title + section + older.slice(title.length))
}
