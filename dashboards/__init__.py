"""What is seen: figures, report.html and the Streamlit app."""
