"""From a lecture's text to notebooks, students' copies, pages, slides and JupyterLab."""
