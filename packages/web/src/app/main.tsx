/** The page's start. */
import './fonts.css'
import './tokens.css'
import './base.css'
import { createCorral } from '@corral/client'
import { QueryClientProvider } from '@tanstack/react-query'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ToastProvider } from '../ui/Toast.tsx'
import { App } from './App.tsx'
import { CorralProvider } from './corral.tsx'
import { createQueries } from './queries.ts'
import { reloadAfterUpgrade } from './reloadAfterUpgrade.ts'
import { applyTheme, keptTheme } from './theme.ts'

applyTheme(keptTheme())
reloadAfterUpgrade()

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={createQueries()}>
      <CorralProvider corral={createCorral({ url: location.origin })}>
        <ToastProvider>
          <App />
        </ToastProvider>
      </CorralProvider>
    </QueryClientProvider>
  </StrictMode>,
)
