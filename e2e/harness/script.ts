/** Prompts for the scripted model, in its language (`packages/scripted-model/README.md`). */

export const play = (...steps: string[]): string => `play: ${steps.join(' | ')}`

export const say = (text: string): string => `say ${JSON.stringify(text)}`
export const bash = (command: string): string => `bash ${JSON.stringify(command)}`
export const write = (path: string, content: string): string => `write ${path} ${JSON.stringify(content)}`
export const gate = (name: string): string => `gate ${name}`
