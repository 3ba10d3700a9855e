// Loaded with the front end.
import './index.css';
