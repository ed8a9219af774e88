// Looks for what a sandbox may open and should not: devices, files of the kernel, mounts, open files of its processes.
// Prints JSON. Opens and closes; writes nothing.
import { accessSync, closeSync, constants, lstatSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

const opens = (path, flags) => {
  try {
    closeSync(openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY))
    return true
  } catch {
    return false
  }
}

/** A file that was covered by a device for nothing is no file of the kernel. */
const isFile = (path) => !lstatSync(path).isCharacterDevice()

function mayWrite(path) {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function* filesBelow(folder) {
  let names = []
  try {
    names = readdirSync(folder)
  } catch (error) {
    // The system says why it may not be read; anything else is our own mistake.
    if (!error.code) throw error
  }
  for (const name of names) {
    const path = `${folder === '/' ? '' : folder}/${name}`
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) yield* filesBelow(path)
    else if (stat) yield { path, stat }
  }
}

const isProcess = (path) => /^\/proc\/(\d+|self|thread-self)(\/|$)/.test(path)
const outsideOfProcesses = readdirSync('/proc')
  .map((name) => `/proc/${name}`)
  .filter((path) => !isProcess(path))

const devices = [...filesBelow('/dev')]
  .filter(({ path, stat }) => (stat.isCharacterDevice() || stat.isBlockDevice()) && opens(path, constants.O_RDONLY))
  .map(({ path }) => path)

const kernel = outsideOfProcesses
  .flatMap((path) => [...(lstatSync(path).isDirectory() ? filesBelow(path) : [{ path }])])
  .filter(({ path }) => isFile(path) && opens(path, constants.O_WRONLY))
  .map(({ path }) => path)

const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(' ')[4])
  .filter((path) => mayWrite(path) && isFile(path))

const openFiles = readdirSync('/proc')
  .filter((name) => /^\d+$/.test(name) && name !== `${process.pid}`)
  .flatMap((pid) => {
    try {
      return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
    } catch {
      return [] // ended meanwhile
    }
  })

console.log(JSON.stringify({ devices, kernel, mounts, openFiles: [...new Set(openFiles)].sort() }))
