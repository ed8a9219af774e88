import { expect, test } from 'vitest'
import { pullRequestOf } from './pullRequest.ts'

test('the last pull request is linked by its number', () => {
  const url = 'https://github.com/acme/shop/pull/7'
  expect(
    pullRequestOf([
      { kind: 'commit', success: true },
      { kind: 'pull_request', success: true, url, number: 7 },
    ]),
  ).toEqual({
    url,
    text: '#7 on github.com',
  })
})

test('what is no address of the web is not linked', () => {
  for (const url of ['javascript:alert(1)', 'data:text/html,x', 'nowhere', '']) {
    expect(pullRequestOf([{ kind: 'pull_request', success: true, url }])).toBeNull()
  }
  expect(pullRequestOf([])).toBeNull()
})
