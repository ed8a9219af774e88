// Looks for texts in everything that this sandbox has: environment and arguments of every process, and every file but
// those of the operating system and of the agents, which are the host's and read-only.
// They come in hexadecimal, so that looking for them does not leave them where they are then found.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const needles = process.argv.slice(2).map((hex) => Buffer.from(hex, 'hex').toString())
const forms = needles.flatMap((text) => [text, Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1)])

const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
const inProcesses = processes.flatMap((pid) =>
  ['environ', 'cmdline'].flatMap((file) => {
    const text = read(`/proc/${pid}/${file}`)
    return forms.some((form) => text.includes(form)) ? [`/proc/${pid}/${file}`] : []
  }),
)

const folders = readdirSync('/', { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !['proc', 'sys', 'usr', 'opt'].includes(entry.name))
  .map(({ name }) => `/${name}`)
const search = ['-rlaF', '-D', 'skip', '-f', '-', ...folders]
const { stdout } = spawnSync('grep', search, { input: forms.join('\n'), encoding: 'utf8', maxBuffer: 2 ** 26 })
const inFiles = stdout.split('\n').filter((path) => path !== '')

const sessions = new Set(
  processes.flatMap((pid) => /(?:^|\0)SESSION_ID=([^\0]*)/.exec(read(`/proc/${pid}/environ`))?.[1] ?? []),
)
console.log(JSON.stringify({ inProcesses, inFiles, folders, processes: processes.length, sessions: [...sessions] }))

function read(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // a process that has ended
  }
}
