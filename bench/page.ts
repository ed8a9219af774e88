/**
 * The session's page in a real browser: how long until the newest word of 100,000 events is shown, beside a session of two
 * events; and the longest frame while an agent says 200 words a second, beside the same page when nothing happens.
 */
import { createCorral } from '@corral/client'
import { type AgentSessionId, newAgentSessionId } from '@corral/protocol'
import type { Page } from 'playwright-core'
import { addPerson, password, startBrowser, startInstallationWithPage } from '../e2e/harness/browser.ts'
import type { Installation } from '../e2e/harness/installation.ts'
import { makeRepository } from '../e2e/harness/repositories.ts'
import { play } from '../e2e/harness/script.ts'
import type { Benchmark } from './benchmark.ts'

const events = 100_000
const eventsPerPush = 5_000
/** A message with this many parts, each told once. */
const partsPerMessage = 4
const runs = 3
const watchMs = 10_000
const words = 2_400

export const page: Benchmark = {
  name: 'page',
  async run() {
    await using installation = withEnd(await startInstallationWithPage())
    const { corral } = installation
    await using browser = await startBrowser(corral.url)
    const { email, userId } = await addPerson(corral, 'Ada')
    const { key } = await corral.corral.call.createApiKey.mutate({ name: 'the benchmark', user: userId })
    const long = await pushedSession(corral.url, key, events)
    const short = await pushedSession(corral.url, key, 1 + partsPerMessage)
    await using opened = await browser.open({ as: { email, password } })

    const open = { long: [] as number[], short: [] as number[] }
    for (let run = 0; run <= runs; run++) {
      const [shortMs, longMs] = [await openMs(opened.page, short), await openMs(opened.page, long)]
      // The first run fills the caches of the browser and the database.
      if (run > 0) open.short.push(shortMs)
      if (run > 0) open.long.push(longMs)
    }

    const frames = { idle: [] as number[], streaming: [] as number[] }
    for (let run = 0; run < runs; run++) {
      const ada = createCorral({ url: corral.url, apiKey: key })
      const gitUrl = await makeRepository(`${corral.repositories}/app${run}.git`, { 'README.md': 'An app.\n' })
      const text = Array.from({ length: words }, (_, i) => (i % 40 === 39 ? `word${i}.\n\n` : `word${i}`)).join(' ')
      const prompt = play('say "It begins. "', 'gate words', `say ${JSON.stringify(text)} pace 5ms`)
      const session = { mode: 'code', model: 'scripted/demo', gitUrl, prompt }
      const { cloudAgentSessionId } = await ada.call.start.mutate(session)
      await opened.page.goto(`/cloud/chat?sessionId=${cloudAgentSessionId}`)
      await opened.page.getByRole('article', { name: 'Agent' }).getByText('It begins.').waitFor({ timeout: 120_000 })
      frames.idle.push(await longestFrameMs(opened.page))
      await (await corral.model()).release('words')
      await opened.page.getByRole('article', { name: 'Agent' }).getByText('word1 ').waitFor()
      frames.streaming.push(await longestFrameMs(opened.page))
      await ada.call.interruptSession.mutate({ cloudAgentSessionId })
      await (await corral.model()).reset()
    }
    return [
      {
        what: `a session of ${events.toLocaleString('en-US')} events on the page, until its newest word`,
        unit: 'ms',
        figures: open.long,
        reference: { what: 'a session of one message', figures: open.short },
      },
      {
        what: 'longest animation frame at 200 words a second, from 50 ms on',
        unit: 'ms',
        figures: frames.streaming,
        reference: { what: 'the same page, idle', figures: frames.idle },
      },
    ]
  },
}

const withEnd = (corral: Installation) => ({ corral, [Symbol.asyncDispose]: () => corral.end() })

/** A session that an agent elsewhere has pushed: every item is an event of its log. */
async function pushedSession(url: string, apiKey: string, count: number): Promise<AgentSessionId> {
  const id = newAgentSessionId()
  const post = async (path: string, body: object): Promise<void> => {
    const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
    const answer = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    if (!answer.ok) throw new Error(`${path} was refused: ${await answer.text()}`)
  }
  await post('/api/session', { sessionId: id })
  const items = Array.from({ length: count }, (_, i) => {
    const message = Math.floor(i / (1 + partsPerMessage))
    const messageID = `msg_${String(message).padStart(26, '0')}`
    if (i % (1 + partsPerMessage) === 0) {
      return { type: 'message', data: { id: messageID, sessionID: id, role: 'assistant', time: { created: i } } }
    }
    const text =
      i === count - 1 ? 'The newest word.' : `Part ${i} says **something** of \`some\` length.\n\n- one\n- two`
    const part = { id: `prt_${String(i).padStart(26, '0')}`, messageID, sessionID: id, type: 'text', text }
    return { type: 'part', data: { ...part, time: { start: 1, end: 2 } } }
  })
  for (let from = 0; from < items.length; from += eventsPerPush) {
    await post(`/api/session/${id}/ingest?v=2`, { data: items.slice(from, from + eventsPerPush) })
  }
  return id
}

/** From the beginning of the navigation until the newest word is drawn. */
async function openMs(page: Page, id: AgentSessionId): Promise<number> {
  await page.goto('about:blank')
  await page.goto(`/cloud/chat?sessionId=${id}`, { waitUntil: 'commit' })
  const shown = await page.waitForFunction(
    () => document.body?.textContent?.includes('The newest word.') && performance.now(),
    undefined,
    { polling: 'raf', timeout: 60_000 },
  )
  return Number(await shown.jsonValue())
}

/** 50 when none took longer, which is what browsers call long. */
function longestFrameMs(page: Page): Promise<number> {
  return page.evaluate(
    (ms) =>
      new Promise<number>((resolve) => {
        let longest = 50
        const observer = new PerformanceObserver((list) => {
          for (const { duration } of list.getEntries()) longest = Math.max(longest, duration)
        })
        observer.observe({ type: 'long-animation-frame' })
        setTimeout(() => {
          observer.disconnect()
          resolve(longest)
        }, ms)
      }),
    watchMs,
  )
}
