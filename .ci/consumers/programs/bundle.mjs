// Bundles readme.mjs, with everything it imports, by the bundler that is named: into bundled/<bundler>/readme.*
const [bundler] = process.argv.slice(2);
const outputFolder = new URL(`bundled/${bundler}/`, import.meta.url).pathname;
const input = new URL('readme.mjs', import.meta.url).pathname;
const fileName = `readme.${bundler === 'webpack' || bundler === 'esbuild' ? 'cjs' : 'mjs'}`;

const pluginOf = async (name) => (await import(`@rollup/plugin-${name}`)).default;

const BUNDLERS = {
  async esbuild() {
    const { build } = await import('esbuild');
    const outfile = outputFolder + fileName;
    await build({ entryPoints: [input], outfile, bundle: true, platform: 'node', format: 'cjs', logLevel: 'error' });
  },
  async webpack() {
    const { default: webpack } = await import('webpack');
    const output = { path: outputFolder, filename: fileName };
    const compiler = webpack({ mode: 'production', target: 'node20', entry: input, output });
    const stats = await new Promise((resolve, reject) =>
      compiler.run((error, result) => (error ? reject(error) : resolve(result))),
    );
    if (stats.hasErrors()) throw new Error(stats.toString({ all: false, errors: true }));
    const { warnings } = stats.toJson({ all: false, warnings: true });
    const own = warnings.filter(({ moduleName = '' }) => moduleName.includes('@tooloo/resilience'));
    if (own.length > 0) throw new Error(own.map(({ message }) => message).join('\n'));
  },
  async rollup() {
    const { rollup } = await import('rollup');
    const [resolve, commonjs, json] = await Promise.all(['node-resolve', 'commonjs', 'json'].map(pluginOf));
    const plugins = [resolve({ preferBuiltins: true }), commonjs(), json()];
    const built = await rollup({ input, plugins, onwarn: () => undefined }); // optional packages are unresolved
    await built.write({ dir: outputFolder, format: 'es', entryFileNames: fileName });
  },
  async vite() {
    const { build } = await import('vite');
    const rollupOptions = { output: { entryFileNames: fileName } };
    const ssr = { noExternal: true, target: 'node' };
    const options = { ssr: input, outDir: outputFolder, target: 'node20', rollupOptions };
    await build({ logLevel: 'error', configFile: false, ssr, build: options });
  },
};

await BUNDLERS[bundler]();
console.log(fileName);
