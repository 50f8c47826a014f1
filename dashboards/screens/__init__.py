"""The pages of the Streamlit app: each shows one side of a report."""
