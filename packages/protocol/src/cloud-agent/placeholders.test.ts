import { expect, test } from 'vitest'
import { filledIn, placeholdersIn } from './placeholders.ts'

const env = (name: string) => `\${env:${name}}`

test('the names of placeholders are found once each', () => {
  const text = `Bearer ${env('TOKEN')}, ${env('USER')} ${env('TOKEN')} $HOME {env:NOT}`
  expect(placeholdersIn(text)).toEqual(['TOKEN', 'USER'])
})

test('a placeholder becomes its variable, character for character, and is not looked into again', () => {
  expect(filledIn(`a ${env('A')} b ${env('B')}`, { A: `"$&" ${env('B')}`, B: 'x' })).toBe(`a "$&" ${env('B')} b x`)
})

test('one of an unknown name stays, also of a name that every object has', () => {
  const text = `${env('NONE')} ${env('toString')}`
  expect(filledIn(text, {})).toBe(text)
})
