/** The page as static files. No inline script or style: the server's content security policy allows none. */
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

const { CORRAL_URL: server = 'http://127.0.0.1:4180' } = process.env
const ofServer = { target: server, changeOrigin: false, ws: true }

export default defineConfig({
  plugins: [react()],
  // While one works on the page: everything else is the server's.
  server: { proxy: { '/api': ofServer, '/trpc': ofServer, '/stream': ofServer, '/terminal': ofServer } },
  build: {
    target: ['chrome123', 'firefox128', 'safari17.5'],
    // The polyfill is an inline script in older browsers alone, and data: URLs are no sources of scripts or fonts here.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
})
