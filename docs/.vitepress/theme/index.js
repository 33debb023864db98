// VitePress' own theme, with enough contrast for WCAG 2.2 AA.
import theme from 'vitepress/theme';
import './contrast.css';

export default theme;
