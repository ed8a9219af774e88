/** Many viewers in a process of their own, counting what they get. Who starts it says what to dial. */
import { WebSocket } from 'ws'

export type ToViewers = { dial: string[] } | { expect: number }
export type FromViewers = 'dialled' | 'received'

const tell = (message: FromViewers) => process.send?.(message)
let received = 0
let expected = Number.POSITIVE_INFINITY

function count(text: string): void {
  if (text.includes('"streamEventType":"connected"')) return
  received += text.startsWith('[') ? JSON.parse(text).length : 1
  look()
}

function look(): void {
  if (received < expected) return
  received -= expected
  expected = Number.POSITIVE_INFINITY
  tell('received')
}

async function dial(urls: string[]): Promise<void> {
  // A hundred at a time, as fast as they are let in.
  for (let from = 0; from < urls.length; from += 100) {
    await Promise.all(urls.slice(from, from + 100).map(dialOne))
  }
  tell('dialled')
}

function dialOne(url: string): Promise<void> {
  const socket = new WebSocket(url)
  socket.on('message', (data) => count(String(data)))
  return new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
}

process.on('message', (message: ToViewers) => {
  if ('dial' in message) {
    void dial(message.dial)
  } else {
    expected = message.expect
    look()
  }
})
