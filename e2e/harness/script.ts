/** Prompts for the scripted model, in its language (`packages/scripted-model/README.md`). */

export const play = (...steps: string[]): string => `play: ${steps.join(' | ')}`

export const say = (text: string): string => `say ${JSON.stringify(text)}`
export const bash = (command: string): string => `bash ${JSON.stringify(command)}`
export const write = (path: string, content: string): string => `write ${path} ${JSON.stringify(content)}`
export const ask = (question: string, ...options: string[]): string =>
  ['ask', ...[question, ...options].map((text) => JSON.stringify(text))].join(' ')
export const task = (description: string, ...steps: string[]): string =>
  `task ${JSON.stringify(description)} { ${steps.join(' | ')} }`
/** Says what the last tool gave, so many characters at a time. */
export const repeat = (characters: number): string => `repeat ${characters}`
export const gate = (name: string): string => `gate ${name}`
