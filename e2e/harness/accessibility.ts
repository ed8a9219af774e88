/** What axe finds wrong with a page, and what of it the keyboard does not reach. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { z } from 'zod'

const axe = readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

const foundSchema = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      impact: z.string().nullish(),
      nodes: z.array(z.object({ html: z.string(), failureSummary: z.string().optional() })),
    }),
  ),
})

/** One line per place, of what is serious or critical. It comes by the debugger, which no policy of the page stops. */
export async function seriousIssues(page: Page): Promise<string[]> {
  await page.evaluate(await axe)
  const found = foundSchema.parse(
    await page.evaluate(
      `axe.run(document, { resultTypes: ['violations'], rules: { 'color-contrast': { enabled: true } } })`,
    ),
  )
  return found.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary ?? ''}`))
}

/** What can be pressed or filled in, and is never focused, or cannot be seen to be, while Tab goes once around. */
export async function unreachedByKeyboard(page: Page): Promise<string[]> {
  await page.evaluate(() => {
    const can = 'a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled)'
    let n = 0
    for (const element of document.querySelectorAll<HTMLElement>(can)) {
      if (element.checkVisibility() && element.tabIndex >= 0) element.dataset.unreached = String(n++)
    }
    const active = document.activeElement
    if (active instanceof HTMLElement) active.blur()
  })
  const count = await page.locator('[data-unreached]').count()
  for (let i = 0; i < count + 3; i++) {
    await page.keyboard.press('Tab')
    await page.evaluate(() => {
      const active = document.activeElement
      if (!(active instanceof HTMLElement)) return
      const { outlineStyle, outlineWidth } = getComputedStyle(active)
      if (outlineStyle !== 'none' && Number.parseFloat(outlineWidth) > 0) delete active.dataset.unreached
    })
  }
  return page
    .locator('[data-unreached]')
    .evaluateAll((elements) => elements.map(({ outerHTML }) => outerHTML.slice(0, 200)))
}
