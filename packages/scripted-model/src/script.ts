/** Decides what is played for a request: the prompt alone selects it, so that whoever writes the prompt decides. */
import type { Conversation } from './conversation.ts'
import { demoStory, tellsOfFailingTest } from './demo.ts'
import { findScenario, type Step } from './scenario.ts'

export type Script =
  | { scenario: 'title' | 'play' | 'demo' | 'plain'; steps: Step[] }
  | { scenario: 'invalid'; error: string }

export const selectScript = (conversation: Conversation): Script => {
  const { lastUserText } = conversation
  const asked = findScenario(lastUserText)
  if (asksForTitle(conversation))
    return { scenario: 'title', steps: [say(titleOf(lastUserText, asked.kind !== 'none'))] }
  if (asked.kind === 'invalid') return { scenario: 'invalid', error: asked.error }
  if (asked.kind === 'steps') return { scenario: 'play', steps: asked.steps }
  if (playsDemo(conversation)) return { scenario: 'demo', steps: demoStory(conversation.toolResults) }
  return { scenario: 'plain', steps: [say(plainAnswer)] }
}

const say = (text: string, paceMs = 0): Step => ({ verb: 'say', text, paceMs })

/** Agents name a session by a call of their own: no tools, and a system prompt that speaks of a title. */
const asksForTitle = ({ tools, systemText }: Conversation): boolean =>
  tools.length === 0 && /\btitle\b/i.test(systemText)

/** The first sentence, or its first words. */
const titleOf = (prompt: string, scripted: boolean): string => {
  if (scripted) return 'A scripted scenario'
  const sentence = prompt.split(/[.!?\n]/)[0] ?? ''
  return sentence.split(/\s+/).filter(Boolean).slice(0, 8).join(' ') || 'A short talk'
}

const playsDemo = ({ model, tools, lastUserText }: Conversation): boolean =>
  (model === 'demo' || model === 'scripted/demo') && tools.length > 0 && tellsOfFailingTest(lastUserText)

const plainAnswer =
  'Hello! I am the scripted model of Corral. I have no intelligence and play fixed scenarios, so that everything ' +
  'around a model can be tried without a key. Configure a model provider for real work, or send a scenario, for ' +
  'example:\n\nplay: say "I look around." | bash "ls" | say "That is all."'
